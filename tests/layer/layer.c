/* What the loader asks of a layer: see layer.h. */
#include "layer.h"

#include <stdlib.h>
#include <string.h>

const struct _cl_icd_dispatch *layer_target;

static struct _cl_icd_dispatch own;

const char *layer_text(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && *value != '\0' ? value : NULL;
}

unsigned long long layer_number(const char *variable, unsigned long long otherwise)
{
    const char *value = layer_text(variable);
    return value != NULL ? strtoull(value, NULL, 10) : otherwise;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *needed)
{
    static const char name[] = "clconv's tests";
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
    const void *from = what == CL_LAYER_NAME ? (const void *)name : (const void *)&version;
    size_t length = what == CL_LAYER_NAME ? sizeof name : sizeof version;
    if (value != NULL && size < length) return CL_INVALID_VALUE;
    if (value != NULL) memcpy(value, from, length);
    if (needed != NULL) *needed = length;
    return CL_SUCCESS;
}

/* The loader's table may be shorter than the header's. */
CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target,
                                            cl_uint *entries_made, const cl_icd_dispatch **made)
{
    const cl_uint most = sizeof own / sizeof(void *);
    if (target == NULL || entries_made == NULL || made == NULL) return CL_INVALID_VALUE;
    layer_target = target;
    memcpy(&own, target, (entries < most ? entries : most) * sizeof(void *));
    pretend_install(&own);
    faults_install(&own);
    *entries_made = entries < most ? entries : most;
    *made = &own;
    return CL_SUCCESS;
}
