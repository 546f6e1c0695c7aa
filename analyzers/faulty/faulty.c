/*
 * faulty.c - a plugin that misbehaves on purpose, for tests only. It is never shipped.
 *
 * Analysis `faulty`, parameter `mode`: see MODES at the end. Results have the schema {"value": number, "more": list}.
 * `panic_status` returns what a host receives when a Rust plugin panics; src/lib.rs really panics.
 * Compiled with -DFAULTY=name, the plugin is org.vultus.name with the analysis `name`, so that several can be loaded
 * side by side. -DVERSION=\"2.0.0\" sets its version, whose major number is the `value` in mode `ok`. -DDEFAULT_MODE sets
 * the default of `mode`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vultus_plugin.h"

#ifndef FAULTY
#define FAULTY faulty
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef DEFAULT_MODE
#define DEFAULT_MODE "ok"
#endif
#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

static const char MANIFEST[] =
    "{\"id\":\"org.vultus." TEXT(FAULTY) "\",\"name\":\"Faulty\",\"version\":\"" VERSION "\",\"vendor\":\"Vultus\","
    "\"license\":\"Apache-2.0\",\"analyses\":[{\"type\":\"" TEXT(FAULTY) "\",\"title\":\"Misbehaves\","
    "\"slots\":[{\"name\":\"media\",\"kinds\":[\"IMAGE\",\"VIDEO\",\"SHOT_SET\"],\"min\":0,\"max\":16}],"
    "\"params_schema\":{\"type\":\"object\",\"properties\":{"
    "\"mode\":{\"type\":\"string\",\"default\":\"" DEFAULT_MODE "\"}}},"
    "\"result_schema\":{\"type\":\"object\",\"required\":[\"value\"],\"additionalProperties\":false,"
    "\"properties\":{\"value\":{\"type\":\"number\"},\"more\":{\"type\":\"array\"}}},"
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

/* Exits with status 0. */
static uint32_t mode_exit(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  exit(0);
}

/* Never returns and never checks the cancel flag. */
static uint32_t mode_loop(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)out;
  job->log(job->ctx, VULTUS_LOG_INFO, view("looping"));
  volatile int stop = 0;
  while (!stop) {
  }
  return VULTUS_INTERNAL;
}

/* Runs until it is cancelled, and then returns VULTUS_CANCELLED. */
static uint32_t mode_until_cancelled(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  while (!job->is_cancelled(job->ctx)) {
  }
  give("cancelled as asked", out);
  return VULTUS_CANCELLED;
}

/* Sleeps for 0.3 s, so that a test can kill or pause other parts meanwhile. */
static uint32_t mode_slow(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance;
  for (int i = 0; i < 15 && !job->is_cancelled(job->ctx); i++) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  }
  return give("{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1}}", out);
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

/* An outcome whose result has a list of `count` small objects. */
static uint32_t give_values(size_t count, VultusBuf *out) {
  static const char start[] = "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1,\"more\":[{}";
  static const char member[] = ",{\"\":0}", end[] = "]}}";
  char *text = malloc(sizeof start + count * sizeof member + sizeof end);
  if (text == NULL) {
    return VULTUS_UNAVAILABLE;
  }
  char *at = text;
  memcpy(at, start, sizeof start - 1);
  at += sizeof start - 1;
  for (size_t i = 0; i < count; i++, at += sizeof member - 1) {
    memcpy(at, member, sizeof member - 1);
  }
  memcpy(at, end, sizeof end - 1);
  out->ptr = (uint8_t *)text;
  out->len = out->cap = (uint64_t)(at - text) + sizeof end - 1;
  out->release = release_heap;
  return VULTUS_OK;
}

/* Almost 4 MiB with far more values than allowed. */
static uint32_t mode_many_values(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  return give_values(590000, out);
}

/* Almost as many values as allowed. */
static uint32_t mode_allowed_values(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  return give_values(16000, out);
}

/* Returns what a host receives when a Rust plugin panics; a further call of this instance aborts. */
static uint32_t mode_panic_status(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)job;
  instance->broken = 1;
  give("the plugin panicked: as requested", out);
  return VULTUS_PANIC;
}

/* Writes one artifact more than allowed, one that is too large, and one whose name is a path. value = the number of
   these three attempts that were rejected. */
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

/* Dies by SIGSEGV because of a stack overflow. */
__attribute__((noinline)) static int deeper(volatile char *above, int depth) {
  volatile char here[4096];
  here[0] = above[0];
  here[1] = (char)depth;
  return depth < 0 ? 0 : deeper(here, depth + 1) + here[1];
}

static uint32_t mode_stack_overflow(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  volatile char top[1] = {0};
  return deeper(top, 0) == 0 ? VULTUS_OK : VULTUS_INTERNAL;
}

/* Never returns; sleeps. */
static uint32_t mode_sleep(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job, (void)out;
  while (pause() != 0) {
  }
  return VULTUS_INTERNAL;
}

/* Blocks every signal that can be blocked, then loops. */
static uint32_t mode_blocks_signals(Instance *instance, const VultusJob *job, VultusBuf *out) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  return mode_loop(instance, job, out);
}

/* Leaks 10 GB and touches one page of each 10 MB; aborts when an allocation fails. */
static uint32_t mode_leak(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  for (int megabytes = 0; megabytes < 10000; megabytes += 10) {
    char *kept = malloc(10u << 20);
    if (kept == NULL) {
      abort();
    }
    *(volatile char *)kept = 1;
  }
  return give("{\"resolution\":\"SUCCESS\",\"result\":{\"value\":10}}", out);
}

/* Reports progress, or writes log lines, in an endless loop. */
static uint32_t mode_progress_flood(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)out;
  volatile int stop = 0;
  for (uint32_t i = 0; !stop; i++) {
    job->progress(job->ctx, (float)(i % 100) / 100.0f);
  }
  return VULTUS_INTERNAL;
}

static uint32_t mode_log_flood(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)out;
  volatile int stop = 0;
  while (!stop) {
    job->log(job->ctx, VULTUS_LOG_ERROR, view("a useless line"));
  }
  return VULTUS_INTERNAL;
}

/* Result of a forbidden attempt: SUCCESS if it worked, a failure with the errno if it was refused. */
static uint32_t refused(int worked, VultusBuf *out) {
  static char text[64];
  if (worked) {
    return give("{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":1}}", out);
  }
  snprintf(text, sizeof text, "refused with error %d", errno);
  give(text, out);
  return VULTUS_INTERNAL;
}

static uint32_t mode_socket(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  return refused(socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0, out);
}

static uint32_t mode_read_passwd(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  return refused(open("/etc/passwd", O_RDONLY) >= 0, out);
}

/* Also tries to create a folder, truncate a file and change a mode. */
static uint32_t mode_write_outside(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  const int worked = open("/tmp/vultus-faulty-was-here", O_WRONLY | O_CREAT, 0600) >= 0 || mkdir("/tmp/vultus-faulty", 0700) == 0 ||
                     open("/etc/ld.so.cache", O_RDONLY | O_TRUNC) >= 0 || chmod("/tmp", 0700) == 0;
  return refused(worked, out);
}

static uint32_t mode_fork(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  const pid_t child = fork();
  if (child == 0) {
    for (;;) {
      pause();
    }
  }
  return refused(child > 0, out);
}

static uint32_t mode_exec(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  execl("/bin/true", "true", (char *)NULL);
  return refused(0, out);
}

/* Tries to signal the parent process or to lower its limits. */
static uint32_t mode_signal_parent(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  const struct rlimit none = {0, 0};
  return refused(kill(getppid(), 0) == 0 || prlimit(getppid(), RLIMIT_NOFILE, &none, NULL) == 0, out);
}

/* Takes 6 GB in anonymous files, which do not count as address space. */
static uint32_t mode_anonymous_files(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  int worked = 0;
  for (int i = 0; i < 96; i++) {
    const int file = memfd_create("kept", 0);
    worked |= file >= 0 && ftruncate(file, 64 << 20) == 0 && fallocate(file, 0, 0, 64 << 20) == 0;
  }
  return refused(worked, out);
}

/* Writes files into the temporary folder until it is full. value = their size in MiB. */
static uint32_t mode_files(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  static char text[96];
  static char block[1 << 20];
  int megabytes = 0;
  for (int i = 0; i < 96; i++) {
    snprintf(text, sizeof text, "kept-%d", i);
    const int file = open(text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    for (int j = 0; j < 32 && file >= 0 && write(file, block, sizeof block) == sizeof block; j++) {
      megabytes++;
    }
    close(file);
  }
  snprintf(text, sizeof text, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":%d}}", megabytes);
  return give(text, out);
}

static void *nothing(void *argument) { return argument; }

/* Does what is allowed: starts a thread, writes a file and a folder in the temporary folder. value = 1 if they did not
   exist before. */
static uint32_t mode_allowed(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  pthread_t thread;
  const int created = open("kept", O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (created < 0 || write(created, "kept", 4) != 4 || mkdir("folder", 0700) != 0) {
    return refused(0, out);
  }
  errno = pthread_create(&thread, NULL, nothing, NULL);
  if (errno != 0) {
    return refused(0, out);
  }
  pthread_join(thread, NULL);
  close(created);
  return refused(1, out);
}

/* Uses 0.9 s of processor time. */
static uint32_t mode_burn(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  struct timespec start, now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 900);
  return refused(1, out);
}

/* The major version, as the value. */
static uint32_t mode_ok(Instance *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  static char text[96];
  snprintf(text, sizeof text, "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"value\":%d}}", atoi(VERSION));
  return give(text, out);
}

typedef uint32_t Behaviour(Instance *instance, const VultusJob *job, VultusBuf *out);

/* A mode either calls a function, or answers with a fixed text and status 0. */
static const struct Mode {
  const char *name;
  Behaviour *behaviour;
  const char *answer;
} MODES[] = {
    {"ok", mode_ok, NULL},
    {"abort", mode_abort, NULL},
    {"segfault", mode_segfault, NULL},
    {"exit", mode_exit, NULL},
    {"stack_overflow", mode_stack_overflow, NULL},
    {"sleep", mode_sleep, NULL},
    {"blocks_signals", mode_blocks_signals, NULL},
    {"leak", mode_leak, NULL},
    {"progress_flood", mode_progress_flood, NULL},
    {"log_flood", mode_log_flood, NULL},
    {"socket", mode_socket, NULL},
    {"read_passwd", mode_read_passwd, NULL},
    {"write_outside", mode_write_outside, NULL},
    {"fork", mode_fork, NULL},
    {"exec", mode_exec, NULL},
    {"signal_parent", mode_signal_parent, NULL},
    {"anonymous_files", mode_anonymous_files, NULL},
    {"files", mode_files, NULL},
    {"allowed", mode_allowed, NULL},
    {"burn", mode_burn, NULL},
    {"loop", mode_loop, NULL},
    {"slow", mode_slow, NULL},
    {"until_cancelled", mode_until_cancelled, NULL},
    {"panic_status", mode_panic_status, NULL},
    {"artifacts", mode_artifacts, NULL},
    {"huge", mode_huge, NULL},
    {"many_values", mode_many_values, NULL},
    {"allowed_values", mode_allowed_values, NULL},
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
