/* Tuning data of a context and their files: argument checks, then one call down. */
#include "base/error.h"
#include "plan/context.h"
#include "tuning/file.h"

#include <stdlib.h>

/* A copy of the context's data, to be released. */
static clconv_status copy_data(clconv_context *context, tuning_data *data, clconv_error *err)
{
    lock_acquire(context->rt.guard);
    clconv_status status = tuning_merge(data, &context->tuning, err);
    lock_leave(context->rt.guard);
    return status;
}

/* All of the data, or none where memory is out. */
static clconv_status take_data(clconv_context *context, const tuning_data *data, clconv_error *err)
{
    tuning_data all = {NULL};
    tuning_place place;
    tuning_place_of(&context->rt.info, &place);
    lock_acquire(context->rt.guard);
    clconv_status status = tuning_merge(&all, &context->tuning, err);
    if (status == CLCONV_SUCCESS) status = tuning_merge(&all, data, err);
    if (status == CLCONV_SUCCESS) {
        tuning_data old = context->tuning;
        context->tuning = all;
        context->place = place;
        all = old;
    }
    lock_leave(context->rt.guard);
    tuning_release(&all);
    return status;
}

clconv_status clconv_tuning_load(clconv_context *context, const char *path, clconv_error *err)
{
    char why[TUNING_WHY];
    bool is_absent = false;
    tuning_data data = {NULL};
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    char *own = path == NULL ? tuning_own_path(why) : NULL;
    if (path == NULL && own == NULL)
        return error_set(err, CLCONV_FILE_FAILED, "no tuning data are kept: %s", why);
    clconv_status status = tuning_load(path != NULL ? path : own, &data, &is_absent, err);
    if (is_absent && path == NULL) status = CLCONV_SUCCESS;
    if (status == CLCONV_SUCCESS) status = take_data(context, &data, err);
    tuning_release(&data);
    free(own);
    return status;
}

clconv_status clconv_tuning_save(clconv_context *context, const char *path, clconv_error *err)
{
    char why[TUNING_WHY];
    tuning_data data = {NULL};
    if (context == NULL) return error_set(err, CLCONV_INVALID_ARGUMENT, "context is NULL");
    char *own = path == NULL ? tuning_own_path(why) : NULL;
    if (path == NULL && own == NULL)
        return error_set(err, CLCONV_FILE_FAILED, "no tuning data are kept: %s", why);
    clconv_status status = copy_data(context, &data, err);
    if (status == CLCONV_SUCCESS)
        status = path != NULL ? tuning_export(path, &data, err) : tuning_update(own, &data, err);
    tuning_release(&data);
    free(own);
    return status;
}
