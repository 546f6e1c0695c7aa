/* manifest_json returns a failure. */
#include <string.h>

#define manifest_json never_called_manifest_json
#include "never_called.h"
#undef manifest_json

static uint32_t manifest_json(VultusBuf *out) {
  (void)never_called_manifest_json;
  static const char answer[] = "the manifest is lost";
  out->ptr = (uint8_t *)(uintptr_t)answer;
  out->len = strlen(answer);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_INTERNAL;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
