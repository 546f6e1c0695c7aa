/*
 * early.c - tests the sandbox while a library is being loaded, before any function of the plugin is called. The
 * constructor tries to open a socket and a file and to fork; the analysis `early` reports the errno of each (0: success).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vultus_plugin.h"

static int socket_error, file_error, fork_error;

__attribute__((constructor)) static void loaded(void) {
  socket_error = socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
  file_error = open("/etc/passwd", O_RDONLY) >= 0 ? 0 : errno;
  const pid_t child = fork();
  if (child == 0) {
    _exit(0);
  }
  fork_error = child > 0 ? 0 : errno;
}

static uint32_t give(const char *text, VultusBuf *out) {
  out->ptr = (uint8_t *)(uintptr_t)text;
  out->len = strlen(text);
  out->cap = 0;
  out->release = NULL;
  return VULTUS_OK;
}

static uint32_t manifest_json(VultusBuf *out) {
  return give("{\"id\":\"org.vultus.early\",\"name\":\"Early\",\"version\":\"1.0.0\",\"vendor\":\"Vultus\","
              "\"license\":\"Apache-2.0\",\"analyses\":[{\"type\":\"early\",\"title\":\"Tests the sandbox while it is loaded\","
              "\"slots\":[{\"name\":\"media\",\"kinds\":[\"IMAGE\"],\"min\":0,\"max\":1}],"
              "\"params_schema\":{\"type\":\"object\"},\"result_schema\":{\"type\":\"object\"}}]}",
              out);
}

static uint32_t create(VultusBytes config_json, void **instance, VultusBuf *error) {
  (void)config_json, (void)error;
  *instance = &socket_error;
  return VULTUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static uint32_t analyze(void *instance, const VultusJob *job, VultusBuf *out) {
  (void)instance, (void)job;
  static char text[160];
  snprintf(text, sizeof text,
           "{\"resolution\":\"SUCCESS\",\"reasons\":[],\"result\":{\"socket\":%d,\"file\":%d,\"fork\":%d}}", socket_error,
           file_error, fork_error);
  return give(text, out);
}

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
