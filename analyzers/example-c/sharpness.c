/*
 * sharpness.c - an analyzer in plain C: are the pictures sharp and well exposed?
 *
 * An example of the ABI that uses only vultus_plugin.h and the C library. It measures whole pictures,
 * not faces, and does not check liveness.
 *
 * Sharpness is the variance of the Laplacian of the luma (Pech-Pacheco et al., "Diatom autofocusing in
 * brightfield microscopy", ICPR 2000), on pictures of at most 640 pixels a side, so that the camera's
 * resolution does not change the scale. The values of a medium are the means over its frames.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vultus_plugin.h"

static const char MANIFEST[] =
    "{\"id\":\"org.vultus.example-c\",\"name\":\"Sharpness (example in C)\",\"version\":\"1.0.0\","
    "\"vendor\":\"Vultus\",\"license\":\"Apache-2.0\",\"instances\":{\"max\":2},\"analyses\":[{"
    "\"type\":\"sharpness\",\"title\":\"Are the pictures sharp and well exposed?\","
    "\"slots\":[{\"name\":\"pictures\",\"kinds\":[\"IMAGE\",\"VIDEO\",\"SHOT_SET\"],\"min\":1,\"max\":16}],"
    "\"params_schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"minSharpness\":{\"type\":\"number\",\"minimum\":0,\"default\":60,"
    "\"description\":\"Minimum variance of the Laplacian of 8-bit luma.\"},"
    "\"minMean\":{\"type\":\"number\",\"minimum\":0,\"maximum\":255,\"default\":40,"
    "\"description\":\"Minimum mean luma.\"},"
    "\"maxMean\":{\"type\":\"number\",\"minimum\":0,\"maximum\":255,\"default\":215,"
    "\"description\":\"Maximum mean luma.\"}}},"
    "\"result_schema\":{\"type\":\"object\",\"additionalProperties\":false,"
    "\"required\":[\"sharpness\",\"media\"],\"properties\":{"
    "\"sharpness\":{\"type\":\"number\",\"minimum\":0,\"description\":\"Of the least sharp medium.\"},"
    "\"media\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
    "\"required\":[\"medium\",\"frames\",\"sharpness\",\"mean\"],\"properties\":{"
    "\"medium\":{\"type\":\"integer\",\"minimum\":0},\"frames\":{\"type\":\"integer\",\"minimum\":0},"
    "\"sharpness\":{\"type\":\"number\",\"minimum\":0},"
    "\"mean\":{\"type\":\"number\",\"minimum\":0,\"maximum\":255}}}}}},"
    "\"pixel_formats\":[\"gray8\"],\"max_side\":640,\"timeout_ms\":5000,\"deterministic\":true}]}";

/* A growing text; `failed` is set when memory runs out. */
typedef struct Text {
  char *bytes;
  size_t len;
  size_t cap;
  int failed;
} Text;

static void append(Text *text, const char *format, ...) {
  char piece[256];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(piece, sizeof piece, format, arguments);
  va_end(arguments);
  if (n < 0 || (size_t)n >= sizeof piece || text->failed) {
    text->failed = 1;
    return;
  }
  if (text->len + (size_t)n > text->cap) {
    size_t cap = 2 * text->cap + sizeof piece;
    char *bytes = realloc(text->bytes, cap);
    if (bytes == NULL) {
      text->failed = 1;
      return;
    }
    text->bytes = bytes;
    text->cap = cap;
  }
  memcpy(text->bytes + text->len, piece, (size_t)n);
  text->len += (size_t)n;
}

static void release_text(VultusBuf *buf) {
  free(buf->ptr);
  buf->ptr = NULL;
  buf->len = 0;
}

/* Passes the ownership of `text` to the host. */
static void give_text(Text *text, VultusBuf *out) {
  out->ptr = (uint8_t *)text->bytes;
  out->len = text->len;
  out->cap = text->cap;
  out->release = release_text;
}

/* Passes a static text, which needs no release. */
static void give_constant(const char *constant, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)constant;
  out->len = strlen(constant);
  out->cap = 0;
  out->release = NULL;
}

/* The number of `key` in a flat JSON object of numbers, the only form that params_schema allows. */
static double number_param(VultusBytes json, const char *key, double fallback) {
  char text[512];
  char quoted[64];
  if (json.len == 0 || json.len >= sizeof text) {
    return fallback;
  }
  memcpy(text, json.ptr, (size_t)json.len);
  text[json.len] = '\0';
  snprintf(quoted, sizeof quoted, "\"%s\"", key);
  const char *at = strstr(text, quoted);
  if (at == NULL) {
    return fallback;
  }
  at = strchr(at + strlen(quoted), ':');
  return at == NULL ? fallback : strtod(at + 1, NULL);
}

/* Variance of the Laplacian and mean of the luma. The sharpness of pictures under 3 pixels a side is 0. */
static void measure(const VultusFrame *frame, double *sharpness, double *mean) {
  const uint8_t *luma = frame->planes[0].data;
  const size_t stride = frame->planes[0].stride;
  double sum = 0, edges = 0, squares = 0, count = 0;
  for (uint32_t y = 0; y < frame->height; y++) {
    const uint8_t *row = luma + y * stride;
    for (uint32_t x = 0; x < frame->width; x++) {
      sum += row[x];
      if (x > 0 && y > 0 && x + 1 < frame->width && y + 1 < frame->height) {
        int edge = 4 * row[x] - row[x - 1] - row[x + 1] - (row - stride)[x] - (row + stride)[x];
        edges += edge;
        squares += (double)edge * edge;
        count += 1;
      }
    }
  }
  *mean = sum / ((double)frame->width * frame->height);
  *sharpness = count > 0 ? squares / count - (edges / count) * (edges / count) : 0;
}

/* Sums over the frames of one medium. */
typedef struct Sums {
  uint32_t frames;
  double sharpness;
  double mean;
} Sums;

static void append_reason(Text *reasons, uint32_t medium, const char *code, const char *message) {
  append(reasons, "%s{\"code\":\"%s\",\"message\":\"%s\",\"medium\":%u}", reasons->len > 0 ? "," : "",
         code, message, (unsigned)medium);
}

static uint32_t give_outcome(const VultusJob *job, const Sums *sums, VultusBuf *out) {
  const double min_sharpness = number_param(job->params_json, "minSharpness", 60);
  const double min_mean = number_param(job->params_json, "minMean", 40);
  const double max_mean = number_param(job->params_json, "maxMean", 215);
  Text reasons = {0}, media = {0}, outcome = {0};
  double least = 0;
  for (uint32_t i = 0; i < job->media_count; i++) {
    const uint32_t index = vultus_medium(job, i)->index;
    const double frames = sums[i].frames > 0 ? sums[i].frames : 1;
    const double sharpness = sums[i].sharpness / frames, mean = sums[i].mean / frames;
    least = i == 0 || sharpness < least ? sharpness : least;
    append(&media, "%s{\"medium\":%u,\"frames\":%u,\"sharpness\":%.4f,\"mean\":%.4f}", i > 0 ? "," : "",
           (unsigned)index, (unsigned)sums[i].frames, sharpness, mean);
    if (sums[i].frames == 0) {
      append_reason(&reasons, index, "NO_FRAME", "The medium has no frame.");
    } else if (sharpness < min_sharpness) {
      append_reason(&reasons, index, "BLURRED", "The picture is not sharp enough.");
    }
    if (sums[i].frames > 0 && mean < min_mean) {
      append_reason(&reasons, index, "TOO_DARK", "The picture is too dark.");
    }
    if (sums[i].frames > 0 && mean > max_mean) {
      append_reason(&reasons, index, "TOO_BRIGHT", "The picture is too bright.");
    }
  }
  append(&outcome, "{\"resolution\":\"%s\",\"reasons\":[", reasons.len > 0 ? "DECLINED" : "SUCCESS");
  for (size_t at = 0; at < reasons.len; at += 100) {
    append(&outcome, "%.*s", (int)(reasons.len - at < 100 ? reasons.len - at : 100), reasons.bytes + at);
  }
  append(&outcome, "],\"result\":{\"sharpness\":%.4f,\"media\":[", least);
  for (size_t at = 0; at < media.len; at += 100) {
    append(&outcome, "%.*s", (int)(media.len - at < 100 ? media.len - at : 100), media.bytes + at);
  }
  append(&outcome, "]}}");
  const int failed = reasons.failed || media.failed || outcome.failed;
  free(reasons.bytes);
  free(media.bytes);
  if (failed) {
    free(outcome.bytes);
    give_constant("no memory for the outcome", out);
    return VULTUS_UNAVAILABLE;
  }
  give_text(&outcome, out);
  return VULTUS_OK;
}

static uint32_t manifest_json(VultusBuf *out) {
  give_constant(MANIFEST, out);
  return VULTUS_OK;
}

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json;
  /* No state between jobs; the instance only needs an address. */
  *instance = malloc(1);
  if (*instance == NULL) {
    give_constant("no memory for an instance", error);
    return VULTUS_UNAVAILABLE;
  }
  return VULTUS_OK;
}

static void destroy(void *instance) { free(instance); }

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  Sums *sums = calloc(job->media_count > 0 ? job->media_count : 1, sizeof *sums);
  if (sums == NULL) {
    give_constant("no memory for the sums", out);
    return VULTUS_UNAVAILABLE;
  }
  uint32_t status = VULTUS_OK;
  const VultusFrame *frame;
  while (status == VULTUS_OK && (frame = job->next_frame(job->ctx)) != NULL) {
    if (job->is_cancelled(job->ctx)) {
      give_constant("cancelled between two frames", out);
      status = VULTUS_CANCELLED;
    } else if (frame->format != VULTUS_GRAY8 || frame->medium >= job->media_count) {
      give_constant("a frame has a format that the manifest does not request", out);
      status = VULTUS_INTERNAL;
    } else {
      double sharpness, mean;
      measure(frame, &sharpness, &mean);
      sums[frame->medium].frames += 1;
      sums[frame->medium].sharpness += sharpness;
      sums[frame->medium].mean += mean;
    }
  }
  if (status == VULTUS_OK) {
    status = give_outcome(job, sums, out);
  }
  free(sums);
  return status;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
