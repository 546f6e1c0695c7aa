/*
 * vultus_plugin.h - the Vultus plugin ABI, version 1.1.
 *
 * Everything that a plugin in C or C++ needs. Normative rules: ABI.md. For C11 and C++17, 64-bit
 * little-endian machines.
 *
 * A plugin is a shared library that exports ONE symbol, VULTUS_PLUGIN, a constant VultusPlugin.
 * Lengths are in bytes, times in microseconds, sizes of pictures in pixels. Text is UTF-8 without a
 * closing NUL. Unused and reserved fields are 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VULTUS_PLUGIN_H
#define VULTUS_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VULTUS_ABI_MAJOR 1
#define VULTUS_ABI_MINOR 1

/* The eight bytes that VULTUS_PLUGIN begins with: "VULTUSPL". */
#define VULTUS_MAGIC { 'V', 'U', 'L', 'T', 'U', 'S', 'P', 'L' }

#if defined(__GNUC__)
#define VULTUS_EXPORT __attribute__((visibility("default")))
#else
#define VULTUS_EXPORT
#endif

/* Limits of the host. Anything over them is rejected. */
#define VULTUS_MAX_RESULT_BYTES (4u << 20)   /* manifest, outcome, feature */
#define VULTUS_MAX_RESULT_VALUES 50000u       /* JSON values of an outcome; names of fields count */
#define VULTUS_MAX_ARTIFACT_BYTES (8u << 20)
#define VULTUS_MAX_ARTIFACTS 16u             /* of one analysis */
#define VULTUS_MAX_MESSAGE_BYTES 2048u       /* failure or log; longer ones are cut */

/* Status that a function returns. */
enum {
  VULTUS_OK = 0,
  VULTUS_INVALID_INPUT = 1,     /* invalid parameters or settings, unreadable media; never retried */
  VULTUS_CANCELLED = 2,         /* stopped because the host cancelled the call */
  VULTUS_DEADLINE_EXCEEDED = 3, /* stopped because the time limit was reached */
  VULTUS_UNAVAILABLE = 4,       /* a resource is unavailable now; may be retried */
  VULTUS_INTERNAL = 5,          /* an internal error of the plugin */
  VULTUS_PANIC = 6,             /* the instance is broken and is not used again */
  VULTUS_UNSUPPORTED = 7        /* the plugin does not support the request */
};

/* VultusMedium.kind */
enum { VULTUS_IMAGE = 1, VULTUS_VIDEO = 2, VULTUS_SHOT_SET = 3 };

/* VultusMedium.flags: the request named this medium. */
#define VULTUS_MEDIUM_NAMED 1u

/* VultusFrame.format, eight bits per channel, interleaved, in planes[0]. */
enum { VULTUS_RGB8 = 1, VULTUS_BGR8 = 2, VULTUS_GRAY8 = 3 };

/* VultusJob.log */
enum { VULTUS_LOG_ERROR = 1, VULTUS_LOG_WARN = 2, VULTUS_LOG_INFO = 3, VULTUS_LOG_DEBUG = 4 };

/* In place of a frame index: the medium as a whole. */
#define VULTUS_NO_FRAME UINT32_MAX

/* VultusMedium.duration_us if the duration is unknown. */
#define VULTUS_NO_DURATION INT64_C(-1)

#define VULTUS_MAX_PLANES 4

/* Since 1.1. Limits of a track: frames, and pixels of the longer side. */
#define VULTUS_MAX_TRACK_FRAMES 256u
#define VULTUS_MAX_TRACK_SIDE 480u

/* Since 1.1. The four bytes that a binary feature begins with: "VF32". */
#define VULTUS_TABLE_MAGIC { 'V', 'F', '3', '2' }

/* A borrowed view, valid until the call to which it was passed returns. */
typedef struct VultusBytes {
  const uint8_t *ptr; /* may be NULL when len is 0 */
  uint64_t len;
} VultusBytes;

/* Bytes that the receiver returns: it calls release exactly once, unless release is NULL. */
typedef struct VultusBuf {
  uint8_t *ptr; /* may be NULL when len is 0 */
  uint64_t len;
  uint64_t cap; /* for release only */
  void (*release)(struct VultusBuf *buf);
} VultusBuf;

typedef struct VultusPlane {
  const uint8_t *data; /* top row first */
  uint64_t len;        /* at least stride * (height - 1) plus the bytes of one row */
  uint32_t stride;     /* bytes from the start of one row to the start of the next */
  uint32_t reserved0;
} VultusPlane;

/* An upright picture, scaled to at most the analysis' max_side. */
typedef struct VultusFrame {
  uint32_t struct_size; /* as the host built it: read no field beyond it */
  uint32_t medium;      /* index in VultusJob.media */
  uint32_t index;       /* index in its medium */
  uint32_t format;      /* VULTUS_RGB8 ... */
  uint32_t width;       /* pixels */
  uint32_t height;
  uint32_t source_width; /* of the upright picture before scaling: coordinates of features */
  uint32_t source_height;
  int64_t pts_us; /* presentation time; 0 for pictures */
  uint32_t plane_count;
  uint32_t reserved0;
  VultusPlane planes[VULTUS_MAX_PLANES];
} VultusFrame;

typedef struct VultusMedium {
  uint32_t index; /* for reasons, frames and features */
  uint32_t kind;  /* VULTUS_IMAGE ... */
  VultusBytes slot;
  const VultusBytes *tags;
  uint32_t tag_count;
  uint32_t flags; /* VULTUS_MEDIUM_NAMED */
  uint32_t width; /* of its upright pictures, in pixels */
  uint32_t height;
  int64_t duration_us;  /* or VULTUS_NO_DURATION */
  uint32_t frame_count; /* in the run */
  uint32_t track_count; /* since 1.1: frames of the track, 0 without one */
} VultusMedium;

/* A job. All of it is valid until analyze or provide returns, on the calling thread only. */
typedef struct VultusJob {
  uint32_t struct_size; /* as the host built it: read no field beyond it */
  uint32_t medium_size; /* bytes from one element of media to the next */
  void *ctx;            /* first argument of every callback */
  VultusBytes analysis;    /* type; empty inside provide */
  VultusBytes params_json; /* merged, validated parameters; empty inside provide */
  const VultusMedium *media; /* access it with vultus_medium() */
  uint32_t media_count;
  uint32_t reserved0;
  /* The next frame, medium by medium, in order; NULL after the last. */
  const VultusFrame *(*next_frame)(void *ctx);
  /* Restarts the iteration. */
  void (*rewind)(void *ctx);
  /* A feature of a frame, or of a medium with VULTUS_NO_FRAME. *out is JSON, or since 1.1 a binary
     table (see ABI.md), valid until the call returns; with a status other than 0 a message, valid until the next callback. */
  uint32_t (*feature)(void *ctx, uint32_t medium, uint32_t frame, VultusBytes name, VultusBytes *out);
  /* 1 once the call should return VULTUS_CANCELLED. */
  uint32_t (*is_cancelled)(void *ctx);
  /* Remaining time in microseconds. */
  uint64_t (*deadline_us)(void *ctx);
  /* Reports the fraction done, 0 to 1. */
  void (*progress)(void *ctx, float fraction);
  /* Writes a line to the operator's log. */
  void (*log)(void *ctx, uint32_t level, VultusBytes message);
  /* Stores a file with the result; the bytes are copied. */
  uint32_t (*artifact)(void *ctx, VultusBytes name, VultusBytes mime, VultusBytes data);
  /* A named extension of the host, or NULL. */
  const void *(*get_extension)(void *ctx, VultusBytes id);
  /* Since 1.1, NULL in a host of 1.0: frame `index` of a medium's track, or NULL past its last
     frame and in a call whose manifest asks for no track. */
  const VultusFrame *(*track_frame)(void *ctx, uint32_t medium, uint32_t index);
  void (*reserved[3])(void);
} VultusJob;

typedef struct VultusFeatureRequest {
  uint32_t struct_size; /* as the host built it: read no field beyond it */
  uint32_t medium;
  uint32_t frame; /* or VULTUS_NO_FRAME */
  uint32_t reserved0;
  VultusBytes feature; /* such as "faces/1" */
} VultusFeatureRequest;

/* The part that is the same in every version. */
typedef struct VultusHeader {
  uint8_t magic[8];     /* VULTUS_MAGIC */
  uint16_t abi_major;   /* VULTUS_ABI_MAJOR */
  uint16_t abi_minor;   /* VULTUS_ABI_MINOR */
  uint32_t struct_size; /* sizeof(VultusPlugin) */
  uint32_t flags;
  uint32_t reserved0;
} VultusHeader;

typedef struct VultusPlugin {
  VultusHeader header;
  /* Writes the manifest, a JSON object that is always the same. */
  uint32_t (*manifest_json)(VultusBuf *out);
  /* Creates an instance. config_json: {"onnxruntime", "weights_dir", "threads", "settings"}. With a
     status other than 0 error may hold a message. */
  uint32_t (*create)(VultusBytes config_json, void **instance, VultusBuf *error);
  void (*destroy)(void *instance);
  /* Writes the outcome {"resolution", "reasons", "result"}, or a message. NULL without analyses. */
  uint32_t (*analyze)(void *instance, const VultusJob *job, VultusBuf *out);
  /* Writes a feature: JSON, since 1.1 also a binary table; or a message. NULL without features. */
  uint32_t (*provide)(void *instance, const VultusJob *job, const VultusFeatureRequest *request,
                      VultusBuf *out);
  /* A named extension of the plugin, or NULL. May be NULL itself. */
  const void *(*get_extension)(VultusBytes id);
  void (*reserved[8])(void);
} VultusPlugin;

/* The one symbol. The plugin defines it:
     VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = { VULTUS_HEADER, manifest_json, ... };  */
extern VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN;

/* Initialiser of VultusPlugin.header. */
#define VULTUS_HEADER \
  { VULTUS_MAGIC, VULTUS_ABI_MAJOR, VULTUS_ABI_MINOR, (uint32_t)sizeof(VultusPlugin), 0, 0 }

/* The medium at `index`, which is less than job->media_count. */
static inline const VultusMedium *vultus_medium(const VultusJob *job, uint32_t index) {
  const uint8_t *first = (const uint8_t *)(const void *)job->media;
  return (const VultusMedium *)(const void *)(first + (uint64_t)index * job->medium_size);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VULTUS_PLUGIN_H */
