/* A well-formed manifest that violates many rules at once. */
#include <string.h>

#define manifest_json never_called_manifest_json
#include "never_called.h"
#undef manifest_json

static uint32_t manifest_json(VultusBuf *out) {
  (void)never_called_manifest_json;
  static const char answer[] = 
      "{\"id\":\"faulty\",\"name\":\"\",\"version\":\"1\",\"vendor\":\"Vultus\",\"license\":\"Apache-2.0\","
      "\"analyses\":[{\"type\":\"Bad Type\",\"title\":\"x\",\"slots\":[],\"params_schema\":{\"type\":\"object\","
      "\"properties\":{\"a\":{\"type\":\"number\",\"default\":\"x\"}}},"
      "\"result_schema\":{\"type\":\"nonsense\"},\"track\":\"yuv\",\"track_rate\":20}],"
      "\"provides\":[{\"feature\":\"faces\",\"scope\":\"frame\"}],"
      "\"weights\":[{\"file\":\"../secret\"}]}";
  out->ptr = (uint8_t *)(uintptr_t)answer;
  out->len = strlen(answer);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
