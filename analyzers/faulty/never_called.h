/* Functions that abort: a host that rejects the header must not call any of them. */
#include <stdlib.h>

#include "vultus_plugin.h"

static uint32_t manifest_json(VultusBuf *out) {
  (void)out;
  abort();
}

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)instance, (void)error;
  abort();
}

static void destroy(void *instance) {
  (void)instance;
  abort();
}

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  abort();
}
