/* The stated size of the struct is shorter than in v1.0. */
#include "never_called.h"

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    {VULTUS_MAGIC, VULTUS_ABI_MAJOR, 0, (uint32_t)sizeof(VultusHeader), 0, 0},
    manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
