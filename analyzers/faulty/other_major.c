/* Built for a major ABI version that this host does not support. */
#include "never_called.h"

VULTUS_EXPORT const VultusPlugin VULTUS_PLUGIN = {
    {VULTUS_MAGIC, VULTUS_ABI_MAJOR + 1, 0, (uint32_t)sizeof(VultusPlugin), 0, 0},
    manifest_json, create, destroy, analyze, NULL, NULL, {NULL},
};
