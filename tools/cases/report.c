/* See report.h. */
#include "cases/report.h"

#include <stdio.h>
#include <string.h>

const char *report_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
    return text ? text : "";
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static report_row *find_row(report *r, const char *op, const char *algorithm)
{
    size_t i = 0;
    while (i < r->row_count &&
           (strcmp(r->rows[i].op, op) != 0 || strcmp(r->rows[i].algorithm, algorithm) != 0))
        i++;
    if (i == REPORT_ROWS) i--;
    if (i == r->row_count) {
        report_row *row = &r->rows[r->row_count++];
        snprintf(row->op, sizeof row->op, "%s", op);
        snprintf(row->algorithm, sizeof row->algorithm, "%s", algorithm);
    }
    return &r->rows[i];
}

static void take_device(report *r, const cJSON *object)
{
    snprintf(r->device, sizeof r->device, "%s", report_text(object, "device"));
    snprintf(r->driver, sizeof r->driver, "%s", report_text(object, "driver"));
    snprintf(r->platform, sizeof r->platform, "%s", report_text(object, "platform"));
    snprintf(r->version, sizeof r->version, "%s", report_text(object, "version"));
    r->cases = (size_t)number(object, "cases");
    if (number(object, "peak_gflops") > 0) r->peak_gflops = number(object, "peak_gflops");
    if (number(object, "copy_gbps") > 0) r->copy_gbps = number(object, "copy_gbps");
}

static void print_row(const cJSON *o, const char *verdict)
{
    const char *message = report_text(o, "message");
    printf("%-8s %-15s %-22s %-8s", verdict, report_text(o, "op"), report_text(o, "algorithm"),
           report_text(o, "data"));
    if (strcmp(report_text(o, "status"), clconv_status_name(CLCONV_SUCCESS)) != 0)
        printf(" %9s", "-");
    else
        printf(" %8.3f%%", 100 * number(o, "worst"));
    printf("  %s%s%s\n", report_text(o, "problem"), *message ? ": " : "", message);
}

static void note_first(report *r, const cJSON *o)
{
    if (*r->first) return;
    snprintf(r->first, sizeof r->first, "%s by %s, %s, %s data: %s", report_text(o, "op"),
             report_text(o, "algorithm"), report_text(o, "problem"), report_text(o, "data"),
             report_text(o, "message"));
}

static void take_case(report *r, const cJSON *o)
{
    report_row *row = find_row(r, report_text(o, "op"), report_text(o, "algorithm"));
    int skipped = cJSON_IsTrue(cJSON_GetObjectItem(o, "skipped"));
    int passed = cJSON_IsTrue(cJSON_GetObjectItem(o, "passed"));
    row->skipped += (size_t)skipped, r->skipped += (size_t)skipped;
    row->passed += (size_t)passed, r->passed += (size_t)passed;
    if (!skipped && !passed) {
        row->failed++, r->failed++;
        note_first(r, o);
    }
    if (!r->json && (r->verbose || (!skipped && !passed)))
        print_row(o, skipped ? "skipped" : passed ? "passed" : "FAILED");
}

static void take_speed(report *r, const cJSON *o)
{
    report_row *row = find_row(r, report_text(o, "op"), report_text(o, "algorithm"));
    row->gflops = number(o, "gflops");
    row->peak_share = number(o, "peak_share");
    row->gbps = number(o, "gbps");
    row->copy_share = number(o, "copy_share");
}

int report_take(report *r, cJSON *object)
{
    if (cJSON_HasObjectItem(object, "device")) {
        take_device(r, object);
        cJSON_Delete(object);
        return EXIT_DONE;
    }
    if (strcmp(report_text(object, "data"), "speed") == 0)
        take_speed(r, object);
    else
        take_case(r, object);
    if (r->json) return json_print(object);
    cJSON_Delete(object);
    return EXIT_DONE;
}

int report_lost(report *r, const cJSON *begin, const char *why)
{
    cJSON *object = cJSON_Duplicate(begin, 1);
    cJSON_DeleteItemFromObject(object, "begin");
    cJSON_AddStringToObject(object, "status", "");
    cJSON_AddStringToObject(object, "message", why);
    cJSON_AddNumberToObject(object, "worst", 0);
    cJSON_AddFalseToObject(object, "skipped");
    cJSON_AddFalseToObject(object, "passed");
    if (!object) return json_print(NULL);
    take_case(r, object);
    if (r->json) return json_print(object);
    cJSON_Delete(object);
    return EXIT_DONE;
}

static void print_table(const report *r)
{
    if (r->peak_gflops > 0)
        printf("\n%s: %.1f GFLOP/s of multiply-adds, %.1f GB/s of copies\n", r->device, r->peak_gflops,
               r->copy_gbps);
    printf("%-15s %-22s %6s %7s %6s %9s %7s %8s %8s\n", "op", "algorithm", "passed", "skipped", "failed",
           "GFLOP/s", "of peak", "GB/s", "of copy");
    for (size_t i = 0; i < r->row_count; i++) {
        const report_row *row = &r->rows[i];
        printf("%-15s %-22s %6zu %7zu %6zu", row->op, row->algorithm, row->passed, row->skipped, row->failed);
        if (row->gflops > 0)
            printf(" %9.1f %6.1f%% %8.2f %7.1f%%\n", row->gflops, 100 * row->peak_share, row->gbps,
                   100 * row->copy_share);
        else
            printf(" %9s %7s %8s %8s\n", "-", "-", "-", "-");
    }
}

/* One line without a newline in it. */
static void format_verdict(const report *r, char *text, size_t size)
{
    snprintf(text, size, "clconv %s: %zu passed, %zu skipped, %zu failed on %s, driver %s, %s%s%s",
             r->version, r->passed, r->skipped, r->failed, r->device, r->driver, r->platform,
             *r->first ? "; first: " : "", r->first);
}

int report_end(const report *r)
{
    char verdict[16 * REPORT_TEXT];
    format_verdict(r, verdict, sizeof verdict);
    if (!r->json) {
        print_table(r);
        printf("%s\n", verdict);
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "verdict", verdict);
    cJSON_AddStringToObject(object, "version", r->version);
    cJSON_AddStringToObject(object, "device", r->device);
    cJSON_AddStringToObject(object, "driver", r->driver);
    cJSON_AddStringToObject(object, "platform", r->platform);
    cJSON_AddNumberToObject(object, "peak_gflops", r->peak_gflops);
    cJSON_AddNumberToObject(object, "copy_gbps", r->copy_gbps);
    cJSON_AddNumberToObject(object, "passed", (double)r->passed);
    cJSON_AddNumberToObject(object, "skipped", (double)r->skipped);
    cJSON_AddNumberToObject(object, "failed", (double)r->failed);
    cJSON_AddStringToObject(object, "first_failure", r->first);
    return json_print(object);
}
