/*
 * flicker.c - an attack detector in plain C: does the middle of a clip flicker more than its edge?
 *
 * An example of a third party's detector beside the built-in liveness. Faces that a program swaps or
 * generates frame by frame often flicker where the rest of the picture is calm. It reads the track of
 * a clip (ABI 1.1): small grey frames, up to 30 per second. The limit is an example; calibrate yours
 * on your own recordings (docs/guides/own-attack-detector.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vultus_plugin.h"

static const char MANIFEST[] =
    "{\"id\":\"org.vultus.example-flicker\",\"name\":\"Flicker (example in C)\",\"version\":\"1.0.0\","
    "\"vendor\":\"Vultus\",\"license\":\"Apache-2.0\",\"analyses\":[{"
    "\"type\":\"flicker\",\"title\":\"Does the middle of the clip flicker?\","
    "\"slots\":[{\"name\":\"clips\",\"kinds\":[\"VIDEO\"],\"min\":1,\"max\":1}],"
    "\"params_schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}},"
    "\"result_schema\":{\"type\":\"object\",\"additionalProperties\":false,"
    "\"required\":[\"frames\",\"ratio\"],\"properties\":{"
    "\"frames\":{\"type\":\"integer\",\"minimum\":0},"
    "\"ratio\":{\"type\":\"number\",\"minimum\":0,"
    "\"description\":\"Flicker of the middle over that of the edge.\"}}},"
    "\"track\":\"gray8\",\"timeout_ms\":5000,\"deterministic\":true}]}";

/* Flicker of the middle, over that of the edge, from which a clip is declined. */
#define LIMIT 6.0
/* Flicker of a calm edge, in grey levels: noise. */
#define CALM 1.0
/* Fewer frames tell nothing. */
#define FEWEST_FRAMES 8u

static void give_constant(const char *constant, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)constant;
  out->len = strlen(constant);
  out->cap = 0;
  out->release = NULL;
}

static void release_text(VultusBuf *buf) {
  free(buf->ptr);
  buf->ptr = NULL;
  buf->len = 0;
}

/* Sums of the changes that turn back at once: smooth movement has little of them. */
typedef struct Flicker {
  double middle;
  double edge;
  double middle_pixels;
  double edge_pixels;
} Flicker;

static int is_same_size(const VultusFrame *a, const VultusFrame *b) {
  return a->width == b->width && a->height == b->height && b->format == VULTUS_GRAY8;
}

static void add(Flicker *sums, const VultusFrame *a, const VultusFrame *b, const VultusFrame *c) {
  const uint32_t width = b->width, height = b->height;
  for (uint32_t y = 0; y < height; y++) {
    const uint8_t *before = a->planes[0].data + (size_t)y * a->planes[0].stride;
    const uint8_t *now = b->planes[0].data + (size_t)y * b->planes[0].stride;
    const uint8_t *after = c->planes[0].data + (size_t)y * c->planes[0].stride;
    for (uint32_t x = 0; x < width; x++) {
      const int change = abs(2 * now[x] - before[x] - after[x]);
      const int is_middle = x >= width / 3 && x < width - width / 3 && y >= height / 4 && y < height - height / 3;
      if (is_middle) {
        sums->middle += change;
        sums->middle_pixels += 1;
      } else if (x < width / 8 || x >= width - width / 8) {
        sums->edge += change;
        sums->edge_pixels += 1;
      }
    }
  }
}

static uint32_t manifest_json(VultusBuf *out) {
  give_constant(MANIFEST, out);
  return VULTUS_OK;
}

static int instance_of_all;

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)error;
  *instance = &instance_of_all;
  return VULTUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static uint32_t give_outcome(uint32_t frames, double ratio, VultusBuf *out) {
  static const char UNCLEAR[] =
      "{\"code\":\"TOO_FEW_FRAMES\",\"message\":\"The clip is too short to look for flicker.\",\"medium\":0}";
  static const char FLICKERS[] =
      "{\"code\":\"FACE_FLICKERS\",\"message\":\"The face flickers as if a program had made it.\",\"medium\":0}";
  const int unclear = frames < FEWEST_FRAMES, flickers = !unclear && ratio >= LIMIT;
  char *text = malloc(512);
  if (text == NULL) {
    give_constant("no memory for the outcome", out);
    return VULTUS_UNAVAILABLE;
  }
  const int length = snprintf(
      text, 512, "{\"resolution\":\"%s\",\"reasons\":[%s],\"result\":{\"frames\":%u,\"ratio\":%.4f}}",
      unclear ? "OPERATOR_REQUIRED" : flickers ? "DECLINED" : "SUCCESS",
      unclear ? UNCLEAR : flickers ? FLICKERS : "", (unsigned)frames, ratio);
  out->ptr = (uint8_t *)text;
  out->len = (uint64_t)length;
  out->cap = 512;
  out->release = release_text;
  return VULTUS_OK;
}

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  Flicker sums = {0};
  uint32_t frames = 0;
  const VultusFrame *last[2] = {NULL, NULL};
  /* A host of ABI 1.0 has no tracks. */
  while (job->track_frame != NULL && job->media_count > 0) {
    if (job->is_cancelled(job->ctx)) {
      give_constant("cancelled between two frames", out);
      return VULTUS_CANCELLED;
    }
    const VultusFrame *frame = job->track_frame(job->ctx, 0, frames);
    if (frame == NULL) {
      break;
    }
    if (frames >= 2 && is_same_size(last[0], last[1]) && is_same_size(last[1], frame)) {
      add(&sums, last[0], last[1], frame);
    }
    last[0] = last[1];
    last[1] = frame;
    frames += 1;
  }
  const double middle = sums.middle_pixels > 0 ? sums.middle / sums.middle_pixels : 0;
  const double edge = sums.edge_pixels > 0 ? sums.edge / sums.edge_pixels : 0;
  return give_outcome(frames, middle / (edge > CALM ? edge : CALM), out);
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
