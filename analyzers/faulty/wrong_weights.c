/* Pins a checksum that does not match the installed weights: must be rejected. */
#include <string.h>

#define manifest_json never_called_manifest_json
#include "never_called.h"
#undef manifest_json

static uint32_t manifest_json(VultusBuf *out) {
  (void)never_called_manifest_json;
  static const char answer[] =
      "{\"id\":\"org.vultus.wrong-weights\",\"name\":\"Wrong weights\",\"version\":\"1.0.0\",\"vendor\":\"Vultus\","
      "\"license\":\"Apache-2.0\",\"analyses\":[{\"type\":\"wrong_weights\",\"title\":\"Never judges\","
      "\"slots\":[{\"name\":\"media\",\"kinds\":[\"IMAGE\"],\"min\":0,\"max\":1}],"
      "\"params_schema\":{\"type\":\"object\"},\"result_schema\":{\"type\":\"object\"}}],"
      "\"weights\":[{\"file\":\"face_detection_yunet.onnx\","
      "\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}]}";
  out->ptr = (uint8_t *)(uintptr_t)answer;
  out->len = strlen(answer);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
