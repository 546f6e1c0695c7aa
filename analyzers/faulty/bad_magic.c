/* The magic bytes are wrong. */
#include "never_called.h"

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    {{'V', 'U', 'L', 'T', 'U', 'S', 'P', '?'}, 1, 0, (uint32_t)sizeof(VultusPlugin), 0, 0},
    manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
