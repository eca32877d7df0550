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

cl_int layer_give(const void *from, size_t length, size_t size, void *value, size_t *needed)
{
    if (value != NULL && size < length) return CL_INVALID_VALUE;
    if (value != NULL) memcpy(value, from, length);
    if (needed != NULL) *needed = length;
    return CL_SUCCESS;
}

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info param_name, size_t param_value_size,
                                               void *param_value, size_t *param_value_size_ret)
{
    static const char name[] = "clconv's tests";
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (param_name != CL_LAYER_API_VERSION && param_name != CL_LAYER_NAME) return CL_INVALID_VALUE;
    const void *from = param_name == CL_LAYER_NAME ? (const void *)name : (const void *)&version;
    size_t length = param_name == CL_LAYER_NAME ? sizeof name : sizeof version;
    return layer_give(from, length, param_value_size, param_value, param_value_size_ret);
}

/* The loader's table may be shorter than the header's. */
CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint num_entries, const cl_icd_dispatch *target_dispatch,
                                            cl_uint *num_entries_ret,
                                            const cl_icd_dispatch **layer_dispatch_ret)
{
    const cl_uint most = sizeof own / sizeof(void *), made = num_entries < most ? num_entries : most;
    if (target_dispatch == NULL || num_entries_ret == NULL || layer_dispatch_ret == NULL)
        return CL_INVALID_VALUE;
    layer_target = target_dispatch;
    memcpy(&own, target_dispatch, made * sizeof(void *));
    pretend_install(&own);
    faults_install(&own);
    *num_entries_ret = made;
    *layer_dispatch_ret = &own;
    return CL_SUCCESS;
}
