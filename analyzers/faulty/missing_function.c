/* The function `create` is missing. */
#define create unused_create
#include "never_called.h"
#undef create

typedef uint32_t abi_create(VultusBytes config_json, void **instance, VultusBuf *error);

static abi_create *const kept __attribute__((used)) = unused_create;

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    VULTUS_HEADER, manifest_json, NULL, destroy, analyze, NULL, NULL, {NULL},
};
