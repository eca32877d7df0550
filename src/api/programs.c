/* Programs of plans for devices without a compiler: argument checks, then one call down. */
#include "base/error.h"
#include "plan/export.h"

static clconv_status check_plans(clconv_plan *const *plans, size_t count, const char *name, const char *path,
                                 clconv_error *err)
{
    if (plans == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plans is NULL");
    if (count == 0) return error_set(err, CLCONV_INVALID_ARGUMENT, "count is 0; it must be positive");
    if (path == NULL || *path == '\0')
        return error_set(err, CLCONV_INVALID_ARGUMENT, "%s is %s", name, path == NULL ? "NULL" : "empty");
    for (size_t i = 0; i < count; i++) {
        if (plans[i] == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "plans[%zu] is NULL", i);
        if (plans[i]->context != plans[0]->context)
            return error_set(err, CLCONV_INVALID_ARGUMENT, "plans[%zu] is of another context than plans[0]",
                             i);
    }
    return CLCONV_SUCCESS;
}

clconv_status clconv_programs_export(clconv_plan *const *plans, size_t count, const char *path,
                                     clconv_error *err)
{
    clconv_status status = check_plans(plans, count, "path", path, err);
    if (status == CLCONV_SUCCESS) status = runtime_check_process(err);
    if (status == CLCONV_SUCCESS) status = runtime_check_device(&plans[0]->context->rt, err);
    return status == CLCONV_SUCCESS ? export_bundle(plans, count, path, err) : status;
}

clconv_status clconv_programs_emit(clconv_plan *const *plans, size_t count, const char *folder,
                                   clconv_error *err)
{
    clconv_status status = check_plans(plans, count, "folder", folder, err);
    return status == CLCONV_SUCCESS ? export_sources(plans, count, folder, err) : status;
}

clconv_status clconv_programs_pack(const char *manifest, const char *path, clconv_error *err)
{
    if (manifest == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "manifest is NULL");
    if (path == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "path is NULL");
    return export_pack(manifest, path, err);
}
