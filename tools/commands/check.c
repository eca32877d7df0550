/* clconv check: the device against the reference, a row for each algorithm on each problem. */
#include "commands/commands.h"
#include "common/json.h"
#include "options/options.h"

#include <stdio.h>

typedef struct check_options {
    common_options common;
    int quick, json;
} check_options;

static const option_spec check_table[] = {
    {.name = "quick",
     .help = "a part of the problems",
     .parse = option_flag,
     .offset = offsetof(check_options, quick)},
    {.name = "json",
     .help = "prints one JSON object for each case",
     .parse = option_flag,
     .offset = offsetof(check_options, json)},
    {.name = NULL},
};

static const command_help check_help = {
    "check", "[--quick] [--device SELECTOR] [--json]",
    "Runs every algorithm on a table of problems and compares with a reference in double\n"
    "precision. A case passes if its worst error is at most 100% of the bound; with integer\n"
    "data the result must be exact, and special data hold NaN, infinities and a huge value.\n"
    "Exit status 1 if a case fails.",
    0};

typedef struct check_count {
    size_t passed, skipped, failed;
    int json;
    int status; /* of printing */
} check_count;

static const char *verdict(const clconv_check_result *r)
{
    return r->skipped ? "skipped" : r->passed ? "passed" : "FAILED";
}

static void print_row(const clconv_check_result *r)
{
    printf("%-8s %-15s %-20s %-8s", verdict(r), clconv_op_name(r->op), r->algorithm, r->data);
    if (r->skipped || r->status) {
        printf(" %9s", "-");
    } else {
        printf(" %8.3f%%", 100 * r->worst);
    }
    printf("  %s%s%s\n", r->problem, r->message && *r->message ? ": " : "", r->message ? r->message : "");
}

static int print_json(const clconv_check_result *r)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "op", clconv_op_name(r->op));
    cJSON_AddStringToObject(object, "algorithm", r->algorithm);
    cJSON_AddStringToObject(object, "problem", r->problem);
    cJSON_AddStringToObject(object, "data", r->data);
    cJSON_AddStringToObject(object, "status", clconv_status_name(r->status));
    cJSON_AddStringToObject(object, "message", r->message ? r->message : "");
    cJSON_AddNumberToObject(object, "worst", r->worst);
    cJSON_AddBoolToObject(object, "skipped", r->skipped);
    cJSON_AddBoolToObject(object, "passed", r->passed);
    return json_print(object);
}

static void take_result(void *user, const clconv_check_result *r)
{
    check_count *count = user;
    count->skipped += r->skipped != 0;
    count->passed += !r->skipped && r->passed;
    count->failed += !r->skipped && !r->passed;
    if (!count->json) print_row(r);
    if (count->json && !count->status) count->status = print_json(r);
    fflush(stdout);
}

static int check_device(const check_options *options, clconv_context *context)
{
    clconv_error err;
    size_t failures;
    check_count count = {.json = options->json};
    if (!options->json)
        printf("%-8s %-15s %-20s %-8s %9s  %s\n", "result", "op", "algorithm", "data", "of bound", "problem");
    if (clconv_check(context, options->quick, take_result, &count, &failures, &err)) {
        return tool_fail_library(NULL, &err);
    }
    if (!options->json) {
        printf("%zu passed, %zu skipped, %zu failed on %s\n", count.passed, count.skipped, count.failed,
               clconv_context_device_info(context)->name);
    }
    if (count.status || !failures) return count.status;
    fflush(stdout);
    return tool_fail(EXIT_FAILED, "check: %zu of %zu cases differ from the reference", failures,
                     count.passed + count.failed);
}

int cmd_check(int argc, char **argv)
{
    check_options options = {0};
    common_options_init(&options.common);
    const option_group groups[] = {{"options", check_table, &options},
                                   {"device", device_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&check_help, groups, argc, argv, NULL);
    if (status != OPTIONS_PARSED) return status;
    clconv_context *context = NULL;
    status = common_options_open(&options.common, &context);
    if (status) return status;
    status = check_device(&options, context);
    clconv_context_release(context);
    return status;
}
