/*
 * feature_user.c - requests a feature of its only medium from another plugin and reports the length of the answer.
 * Compiled with -DFEATURE='"name/1"', and with -DFRAME=0 for a feature per frame.
 */
#include <stdio.h>
#include <string.h>

#include "vultus_plugin.h"

#ifndef FEATURE
#define FEATURE "nothing/1"
#endif
#ifndef FRAME
#define FRAME VULTUS_NO_FRAME
#endif

static uint32_t give(const char *text, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)text;
  out->len = strlen(text);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

static uint32_t manifest_json(VultusBuf *out) {
  return give("{\"id\":\"org.vultus.feature-user\",\"name\":\"Feature user\",\"version\":\"1.0.0\",\"vendor\":\"Vultus\","
              "\"license\":\"Apache-2.0\",\"analyses\":[{\"type\":\"feature_user\",\"title\":\"Requests a feature\","
              "\"slots\":[{\"name\":\"media\",\"kinds\":[\"IMAGE\"],\"min\":1,\"max\":1}],\"features\":[\"" FEATURE "\"],"
              "\"params_schema\":{\"type\":\"object\"},\"result_schema\":{\"type\":\"object\"}}]}",
              out);
}

static int instance_of_all;

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)error;
  *instance = &instance_of_all;
  return VULTUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  static char text[128];
  const VultusBytes name = {(const uint8_t *)FEATURE, sizeof FEATURE - 1};
  VultusBytes feature = {NULL, 0};
  const uint32_t status = job->feature(job->ctx, 0, FRAME, name, &feature);
  if (status != VULTUS_OK) {
    give("the feature is not available", out);
    return status;
  }
  snprintf(text, sizeof text, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"bytes\":%llu}}",
           (unsigned long long)feature.len);
  return give(text, out);
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
