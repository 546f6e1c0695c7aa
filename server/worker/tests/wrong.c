/*
 * wrong.c - a plugin that follows all rules, or breaks the one that the macro WRONG_... names. For the
 * tests of the suite behind `vultus plugin check`.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vultus_plugin.h"

static void wait_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void *idle(void *always) {
  while (always != NULL) {
    wait_ms(1000);
  }
  return always;
}

static void start_thread(void) {
  pthread_t thread;
  static int always = 1;
  pthread_create(&thread, NULL, idle, &always);
}

#ifdef WRONG_CONSTRUCTOR
__attribute__((constructor)) static void constructor(void) { start_thread(); }
#endif

#ifdef WRONG_EXPORT
__attribute__((visibility("default"))) extern const int helper;
const int helper = 1;
#endif

#ifdef WRONG_SCHEMA
#define LEVEL_TYPE "string"
#else
#define LEVEL_TYPE "number"
#endif

#define MANIFEST(version)                                                                                                        \
  "{\"id\":\"org.vultus.wrong\",\"name\":\"Wrong\",\"version\":\"" version "\",\"vendor\":\"Vultus\",\"license\":\"Apache-2.0\"," \
  "\"instances\":{\"max\":3},\"analyses\":[{\"type\":\"wrong\",\"title\":\"Mean level\",\"slots\":[{\"name\":\"all\","             \
  "\"kinds\":[\"IMAGE\",\"VIDEO\"],\"min\":1,\"max\":4}],\"params_schema\":{\"type\":\"object\",\"properties\":{"                  \
  "\"limit\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"default\":5}}},"                                                  \
  "\"result_schema\":{\"type\":\"object\",\"properties\":{\"level\":{\"type\":\"" LEVEL_TYPE "\"}}},"                              \
  "\"pixel_formats\":[\"gray8\"],\"max_side\":256,\"timeout_ms\":2000,\"deterministic\":true}]}"

#ifdef WRONG_LEAK
void *volatile lost;
#endif

static void give(const char *text, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)text;
  out->len = strlen(text);
  out->cap = 0;
  out->release = NULL;
}

static void release(VultusBuf *buf) {
#ifndef WRONG_RELEASE
  free(buf->ptr);
#else
  (void)buf;
#endif
}

static uint32_t manifest_json(VultusBuf *out) {
#ifdef WRONG_MANIFEST
  static int asked;
  give(asked++ % 2 == 0 ? MANIFEST("1.0.0") : MANIFEST("1.0.1"), out);
#else
  give(MANIFEST("1.0.0"), out);
#endif
  return VULTUS_OK;
}

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json;
  (void)error;
#ifdef WRONG_ONLY_ONE
  static int made;
  if (made++ > 0) {
    give("one is enough", error);
    return VULTUS_UNAVAILABLE;
  }
#endif
  *instance = calloc(1, sizeof(uint64_t));
  return VULTUS_OK;
}

static void destroy(void *instance) { free(instance); }

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  uint64_t *calls = instance;
  double sum = 0;
  uint64_t count = 0;
  *calls += 1;
  (void)start_thread;
  (void)wait_ms;
#ifdef WRONG_THREAD
  start_thread();
#endif
#ifdef WRONG_DESCRIPTOR
  (void)!dup(2);
#endif
#ifdef WRONG_PARAMETER
  if (memmem(job->params_json.ptr, (size_t)job->params_json.len, "\"limit\":0", 9) != NULL) {
    give("division by zero", out);
    return VULTUS_INTERNAL;
  }
#endif
#ifdef WRONG_FEATURE
  VultusBytes name = {(const uint8_t *)"faces/1", 7}, answer;
  (void)job->feature(job->ctx, 0, 0, name, &answer);
#endif
#ifdef WRONG_ARTIFACT
  VultusBytes artifact = {(const uint8_t *)"../shot", 7}, type = {(const uint8_t *)"image/jpeg", 10};
  (void)job->artifact(job->ctx, artifact, type, artifact);
#endif
  const VultusFrame *frame;
  while ((frame = job->next_frame(job->ctx)) != NULL) {
#ifndef WRONG_CANCEL
    if (job->is_cancelled(job->ctx)) {
#ifdef WRONG_SLOW_CANCEL
      wait_ms(300);
#endif
      give("cancelled as asked", out);
      return VULTUS_CANCELLED;
    }
#endif
#ifdef WRONG_TINY
    if (frame->width < 3) {
      abort();
    }
#endif
#ifdef WRONG_HANG
    for (volatile int wait = 1; wait;) {
    }
#endif
    for (uint32_t y = 0; y < frame->height; y++) {
#ifdef WRONG_STRIDE
      const uint8_t *row = frame->planes[0].data + (size_t)y * frame->width;
#else
      const uint8_t *row = frame->planes[0].data + (size_t)y * frame->planes[0].stride;
#endif
      for (uint32_t x = 0; x < frame->width; x++) {
        sum += row[x];
        count++;
      }
    }
  }
  /* The media's widths count too. */
  for (uint32_t i = 0; i < job->media_count; i++) {
#ifdef WRONG_MEDIUM_SIZE
    sum += job->media[i].width % 997;
#else
    sum += vultus_medium(job, i)->width % 997;
#endif
  }
#ifdef WRONG_STATE
  sum += (double)*calls * (double)count;
#endif
#ifdef WRONG_NO_FACE
  if (count > 3 && sum / (double)count > 200) {
    give("no face there", out);
    return VULTUS_INTERNAL;
  }
#endif
#ifdef WRONG_LEAK
  lost = malloc(8);
#endif
  out->ptr = malloc(256);
  out->len = (uint64_t)snprintf((char *)out->ptr, 256, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"level\":%.3f}}",
                                count > 0 ? sum / (double)count : 0.0);
  out->cap = 256;
  out->release = release;
  return VULTUS_OK;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
