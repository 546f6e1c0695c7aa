/* A plugin of a later minor version, with one function and one flag that this host does not know. Must load. */
#include <string.h>

/* The header declares the symbol with the type of v1.0; this plugin's type is longer. */
#define VULTUS_PLUGIN symbol_of_v1
#include "vultus_plugin.h"
#undef VULTUS_PLUGIN

typedef struct NewerPlugin {
  VultusPlugin known;
  void (*later)(void);
} NewerPlugin;

static void later(void) {}

static uint32_t manifest_json(VultusBuf *out) {
  static const char manifest[] =
      "{\"id\":\"org.vultus.newer\",\"name\":\"Newer\",\"version\":\"2.1.0-rc.1\",\"vendor\":\"Vultus\","
      "\"license\":\"Apache-2.0\",\"provides\":[{\"feature\":\"nothing/1\",\"scope\":\"medium\"},"
      "{\"feature\":\"numbers/1\",\"scope\":\"medium\",\"encoding\":\"table\"}]}";
  out->ptr = (uint8_t *)(uintptr_t)manifest;
  out->len = strlen(manifest);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

static int instance_of_all;

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)error;
  *instance = &instance_of_all;
  return VULTUS_OK;
}

static void destroy(void *instance) { (void)instance; }

/* A table of one column and two rows; without the last byte it is none. */
static const uint8_t table[16] = {'V', 'F', '3', '2', 1, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64};

/* Answers a valid value for medium 0 and an invalid one for the others. */
static uint32_t provide(void *instance, const VultusJob *job, const VultusFeatureRequest *request,
                        VultusBuf *out) {
  (void)instance, (void)job;
  static const char answers[2][5] = {"null", "nul"};
  const char *answer = answers[request->medium == 0 ? 0 : 1];
  out->ptr = (uint8_t *)(uintptr_t)answer;
  out->len = strlen(answer);
  out->cap = 0;
  out->release = NULL;
  if (request->feature.len == 9 && memcmp(request->feature.ptr, "numbers/1", 9) == 0) {
    out->ptr = (uint8_t *)(uintptr_t)table;
    out->len = sizeof(table) - (request->medium == 0 ? 0 : 1);
  }
  return VULTUS_OK;
}

VULTUS_EXPORT const NewerPlugin VULTUS_PLUGIN = {
    {{VULTUS_MAGIC, VULTUS_ABI_MAJOR, VULTUS_ABI_MINOR + 7, (uint32_t)sizeof(NewerPlugin), 1u << 31, 0},
     manifest_json, create, destroy, NULL, provide, NULL, {NULL}},
    later,
};
