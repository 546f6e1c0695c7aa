/*
 * faulty.c - a plugin that misbehaves on purpose, for tests only. Never ship it.
 *
 * Analysis `faulty`, parameter `mode`: see MODES at the end. Results are of the schema
 * {"value": number}. Panics of Rust plugins are tested in plugin-api itself; `panic_status` shows what
 * a host sees of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vultus_plugin.h"

static const char MANIFEST[] =
    "{\"id\":\"org.vultus.faulty\",\"name\":\"Faulty\",\"version\":\"1.0.0\",\"vendor\":\"Vultus\","
    "\"license\":\"Apache-2.0\",\"analyses\":[{\"type\":\"faulty\",\"title\":\"Misbehaves\","
    "\"slots\":[{\"name\":\"media\",\"kinds\":[\"IMAGE\",\"VIDEO\",\"SHOT_SET\"],\"min\":0,\"max\":16}],"
    "\"params_schema\":{\"type\":\"object\",\"properties\":{"
    "\"mode\":{\"type\":\"string\",\"default\":\"ok\"}}},"
    "\"result_schema\":{\"type\":\"object\",\"required\":[\"value\"],\"additionalProperties\":false,"
    "\"properties\":{\"value\":{\"type\":\"number\"}}},"
    "\"max_side\":320,\"timeout_ms\":1000}]}";

typedef struct Instance {
  int broken;
} Instance;

static uint32_t give(const char *text, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)text;
  out->len = strlen(text);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

static VultusBytes view(const char *text) {
  VultusBytes bytes = {(const uint8_t *)text, strlen(text)};
  return bytes;
}

/* Dies by SIGABRT. */
static uint32_t mode_abort(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  abort();
}

/* Dies by SIGSEGV. */
static uint32_t mode_segfault(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  volatile int *nowhere = NULL;
  *nowhere = 1;
  return VULTUS_OK;
}

/* Ends the process as if all were well. */
static uint32_t mode_exit(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  exit(0);
}

/* Never returns, and never looks at the cancel flag. */
static uint32_t mode_loop(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)out;
  job->log(job->ctx, VULTUS_LOG_INFO, view("looping"));
  volatile int stop = 0;
  while (!stop) {
  }
  return VULTUS_INTERNAL;
}

/* Runs until it is cancelled, and says so: the well-behaved sister of `loop`. */
static uint32_t mode_until_cancelled(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  while (!job->is_cancelled(job->ctx)) {
  }
  give("cancelled as asked", out);
  return VULTUS_CANCELLED;
}

static void release_heap(VultusBuf *buf) {
  free(buf->ptr);
  buf->ptr = NULL;
}

/* A well-formed outcome of 5 MiB. */
static uint32_t mode_huge(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  static const char start[] = "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1}";
  const size_t size = 5u << 20;
  char *text = malloc(size);
  if (text == NULL) {
    return VULTUS_UNAVAILABLE;
  }
  memset(text, ' ', size);
  memcpy(text, start, sizeof start - 1);
  text[size - 1] = '}';
  out->ptr = (uint8_t *)text;
  out->len = out->cap = size;
  out->release = release_heap;
  return VULTUS_OK;
}

/* What a host sees of a Rust plugin's panic; another call of this instance aborts. */
static uint32_t mode_panic_status(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)job;
  instance->broken = 1;
  give("the plugin panicked: as asked", out);
  return VULTUS_PANIC;
}

/* One artifact more than allowed, one too big, one with a path as its name: value = how many of the
   three kinds of attempts were refused. */
static uint32_t mode_artifacts(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  int refused = 0;
  uint8_t *big = calloc(1, VULTUS_MAX_ARTIFACT_BYTES + 1);
  if (big == NULL) {
    return VULTUS_UNAVAILABLE;
  }
  const VultusBytes type = view("image/png"), bytes = {big, VULTUS_MAX_ARTIFACT_BYTES + 1};
  refused += job->artifact(job->ctx, view("big.png"), type, bytes) == VULTUS_INVALID_INPUT;
  free(big);
  refused += job->artifact(job->ctx, view("../up.png"), type, view("x")) == VULTUS_INVALID_INPUT;
  uint32_t status = VULTUS_OK;
  for (unsigned i = 0; i < VULTUS_MAX_ARTIFACTS + 1; i++) {
    char name[16];
    snprintf(name, sizeof name, "shot%u.png", i);
    status = job->artifact(job->ctx, view(name), type, view("x"));
  }
  refused += status == VULTUS_INVALID_INPUT;
  return give(refused == 3 ? "{\"resolution\":\"SUCCESS\",\"result\":{\"value\":3}}" : "{}", out);
}

typedef uint32_t Behaviour(Instance *instance, const VultusJob *job, VultusBuf *out);

/* A mode either behaves, or answers text with status 0. */
static const struct Mode {
  const char *name;
  Behaviour *behaviour;
  const char *answer;
} MODES[] = {
    {"ok", NULL, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1}}"},
    {"abort", mode_abort, NULL},
    {"segfault", mode_segfault, NULL},
    {"exit", mode_exit, NULL},
    {"loop", mode_loop, NULL},
    {"until_cancelled", mode_until_cancelled, NULL},
    {"panic_status", mode_panic_status, NULL},
    {"artifacts", mode_artifacts, NULL},
    {"huge", mode_huge, NULL},
    {"bad_schema", NULL, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":\"secret\"}}"},
    {"nan", NULL, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":nan}}"},
    {"infinite", NULL, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1e999}}"},
    {"not_utf8", NULL, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1},\"\xff\":1}"},
    {"not_json", NULL, "SUCCESS"},
    {"empty", NULL, ""},
    {"unknown_field", NULL, "{\"resolution\":\"SUCCESS\",\"result\":{\"value\":1},\"approved\":true}"},
    {"unknown_resolution", NULL, "{\"resolution\":\"APPROVED\",\"result\":{\"value\":1}}"},
    {"no_reason", NULL, "{\"resolution\":\"DECLINED\",\"reasons\":[],\"result\":{\"value\":1}}"},
    {"bad_code", NULL,
     "{\"resolution\":\"DECLINED\",\"reasons\":[{\"code\":\"no face\",\"message\":\"x\"}],\"result\":{\"value\":1}}"},
    {"bad_medium", NULL,
     "{\"resolution\":\"DECLINED\",\"reasons\":[{\"code\":\"A\",\"message\":\"x\",\"medium\":99}],"
     "\"result\":{\"value\":1}}"},
    {"bad_frame", NULL,
     "{\"resolution\":\"DECLINED\",\"reasons\":[{\"code\":\"A\",\"message\":\"x\",\"medium\":0,\"frame\":99}],"
     "\"result\":{\"value\":1}}"},
};

static uint32_t manifest_json(VultusBuf *out) { return give(MANIFEST, out); }

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)error;
  *instance = calloc(1, sizeof(Instance));
  return *instance == NULL ? VULTUS_UNAVAILABLE : VULTUS_OK;
}

static void destroy(void *instance) { free(instance); }

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  static const char key[] = "\"mode\":\"";
  char params[256] = {0};
  Instance *self = instance;
  if (self->broken) {
    abort();
  }
  if (job->params_json.len < sizeof params) {
    memcpy(params, job->params_json.ptr, (size_t)job->params_json.len);
  }
  char *mode = strstr(params, key);
  mode = mode == NULL ? params : mode + sizeof key - 1;
  mode[strcspn(mode, "\"")] = '\0';
  for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
    if (strcmp(mode, MODES[i].name) == 0) {
      return MODES[i].behaviour ? MODES[i].behaviour(self, job, out) : give(MODES[i].answer, out);
    }
  }
  give("unknown mode", out);
  return VULTUS_INVALID_INPUT;
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
