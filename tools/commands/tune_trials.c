/* See tune_trials.h. */
#include "commands/tune_trials.h"

#include "common/tool.h"

typedef struct trials {
    clconv_context *context;
    tune_sink sink;
    void *user;
    int status; /* of the sink and of saving */
} trials;

static cJSON *start_object(const char *name, const clconv_tune_trial *t)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, name, (double)t->number);
    cJSON_AddNumberToObject(object, "count", (double)t->count);
    cJSON_AddStringToObject(object, "algorithm", t->algorithm);
    cJSON_AddStringToObject(object, "parameters", t->parameters);
    cJSON_AddStringToObject(object, "best", t->best_algorithm);
    cJSON_AddNumberToObject(object, "best_ratio", t->best_ratio);
    return object;
}

static int begin_trial(void *user, const clconv_tune_trial *t)
{
    trials *all = user;
    all->status = all->sink(all->user, start_object("begin", t));
    return all->status;
}

/* Saved first, so that it is not tried again whatever comes. */
static int save(trials *all)
{
    clconv_error err;
    return clconv_tuning_save(all->context, NULL, &err) ? tool_fail_library(NULL, &err) : EXIT_DONE;
}

static int end_trial(void *user, const clconv_tune_trial *t)
{
    trials *all = user;
    cJSON *object = start_object("trial", t);
    cJSON_AddStringToObject(object, "message", t->message);
    cJSON_AddNumberToObject(object, "ms", 1e3 * t->seconds);
    cJSON_AddNumberToObject(object, "ratio", t->ratio);
    all->status = save(all);
    if (all->status)
        cJSON_Delete(object);
    else
        all->status = all->sink(all->user, object);
    return all->status;
}

static int tell_result(trials *all, const clconv_tune_result *r)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "result", r->algorithm);
    cJSON_AddStringToObject(object, "parameters", r->parameters);
    cJSON_AddStringToObject(object, "default_algorithm", r->default_algorithm);
    cJSON_AddNumberToObject(object, "ms", 1e3 * r->seconds);
    cJSON_AddNumberToObject(object, "default_ms", 1e3 * r->default_seconds);
    cJSON_AddNumberToObject(object, "noise", r->noise);
    cJSON_AddNumberToObject(object, "tried", (double)r->tried);
    cJSON_AddNumberToObject(object, "failed", (double)r->failed);
    cJSON_AddBoolToObject(object, "done", r->is_done);
    return all->sink(all->user, object);
}

static int tell_error(trials *all, const clconv_error *err)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "error", err->message);
    return all->sink(all->user, object);
}

int tune_trials(clconv_context *context, const tune_job *job, tune_sink sink, void *user)
{
    clconv_error err;
    clconv_plan_options plan;
    clconv_tune_options options;
    clconv_tune_result result;
    trials all = {.context = context, .sink = sink, .user = user};
    clconv_plan_options_init(&plan);
    plan.packed_weights = job->packed;
    plan.algorithm = job->algorithm;
    clconv_tune_options_init(&options);
    options.seconds = job->seconds;
    options.again = job->again;
    options.begin = begin_trial;
    options.end = end_trial;
    options.user = &all;
    /* The context has gone without data that are damaged; here that is an error. */
    if (clconv_tuning_load(context, NULL, &err)) return tell_error(&all, &err);
    if (job->lost_algorithm) {
        if (clconv_tune_exclude(context, job->op, &job->problem, &plan, job->lost_algorithm,
                                job->lost_parameters, job->lost_reason, &err))
            return tell_error(&all, &err);
        if (save(&all)) return EXIT_FAILED;
    }
    clconv_status status = clconv_tune(context, job->op, &job->problem, &plan, &options, &result, &err);
    if (all.status) return all.status;
    if (status) return tell_error(&all, &err);
    all.status = save(&all);
    return all.status ? all.status : tell_result(&all, &result);
}
