/* The cache of programs on disk through plans. The tests' layer makes PoCL seem another implementation, whose binaries cost
 * nothing; what it is given back must compute the same as what was compiled, and whatever an entry depends on must make
 * another of it. A program of its own, since PoCL reads the place of its cache once. */
#define _XOPEN_SOURCE 700
#include "base/store.h"
#include "harness.h"
#include "opencl/cache.h"
#include "opencl/sources.h"
#include "programs.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHANNELS = 2, SIZE = 6, TAPS = 27 };

static char root[] = "/tmp/clconv-test-XXXXXX";
static char cache[64], drivers[64];

static void empty_cache(void)
{
    if (access(cache, F_OK) == 0) test_remove_folder(cache);
}

static void test_begin(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    snprintf(cache, sizeof cache, "%s/clconv", root);
    snprintf(drivers, sizeof drivers, "%s/pocl", root);
    CU_ASSERT_EQUAL(mkdir(drivers, 0700), 0);
    setenv("POCL_CACHE_DIR", drivers, 1);
    setenv("CLCONV_CACHE_DIR", cache, 1);
    unsetenv("CLCONV_CACHE");
    setenv("LAYER_PLATFORM", "a platform of the tests", 1);
}

static void test_end(void)
{
    test_remove_folder(root);
}

/* What a context told, and what it counted. */
typedef struct outcome {
    clconv_counters counters;
    int warnings;
    char warning[512];
    char algorithm[32];
} outcome;

static void note(void *user, clconv_message_level level, const char *text)
{
    outcome *o = user;
    if (level != CLCONV_MESSAGE_WARNING) return;
    o->warnings++;
    snprintf(o->warning, sizeof o->warning, "%s", text);
}

static void fill(float *values, int count, int seed)
{
    for (int i = 0; i < count; i++)
        values[i] = (float)((i * 7 + seed) % 5 - 2);
}

/* The convolution's value at a position, by its definition: one input channel's planes after the other. */
static float expected(const float *input, const float *weight, int channel, const int at[3])
{
    float sum = 0;
    for (int c = 0; c < CHANNELS; c++)
        for (int tap = 0; tap < TAPS; tap++) {
            int z = at[0] + tap / 9, y = at[1] + tap / 3 % 3, x = at[2] + tap % 3;
            sum +=
                input[((c * SIZE + z) * SIZE + y) * SIZE + x] * weight[(channel * CHANNELS + c) * TAPS + tap];
        }
    return sum;
}

static bool is_right(const float *input, const float *weight, const float *output)
{
    enum { OUT = SIZE - 2 };
    for (int i = 0; i < CHANNELS * OUT * OUT * OUT; i++) {
        const int at[3] = {i / (OUT * OUT) % OUT, i / OUT % OUT, i % OUT};
        if (output[i] != expected(input, weight, i / (OUT * OUT * OUT), at)) return false;
    }
    return true;
}

/* Convolves in a new context; the result must be right. */
static outcome convolve(void)
{
    static float input[CHANNELS * SIZE * SIZE * SIZE], weight[CHANNELS * CHANNELS * TAPS], output[1024];
    outcome o = {.warnings = 0};
    clconv_context *context = NULL;
    clconv_context_options how;
    clconv_plan_options plan;
    clconv_problem p;
    clconv_error err = {.message = ""};
    fill(input, CHANNELS * SIZE * SIZE * SIZE, 1);
    fill(weight, CHANNELS * CHANNELS * TAPS, 3);
    clconv_context_options_init(&how);
    how.message = note;
    how.message_user = &o;
    clconv_plan_options_init(&plan);
    plan.algorithm = "direct";
    CU_ASSERT_EQUAL(clconv_problem_parse("ic2id6oc2kd3", &p, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected(NULL, &how, &context, &err), CLCONV_SUCCESS);
    const clconv_host_tensors tensors = {.input = input, .weight = weight, .output = output};
    memset(output, 0xff, sizeof output);
    CU_ASSERT_EQUAL(clconv_conv3d_host(context, &p, &plan, &tensors, &err), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(err.message, "");
    CU_ASSERT(is_right(input, weight, output));
    clconv_context_counters(context, &o.counters);
    clconv_context_release(context);
    return o;
}

/* Every program was compiled, or none. */
static void expect_compiled(const outcome *o)
{
    CU_ASSERT(o->counters.programs_built > 0);
    CU_ASSERT_EQUAL(o->counters.programs_loaded, 0);
}

static void expect_loaded(const outcome *o)
{
    CU_ASSERT_EQUAL(o->counters.programs_built, 0);
    CU_ASSERT(o->counters.programs_loaded > 0);
    CU_ASSERT_EQUAL(o->counters.cache_absent, 0);
    CU_ASSERT_EQUAL(o->warnings, 0);
}

static void test_second_context(void)
{
    outcome first = convolve();
    expect_compiled(&first);
    CU_ASSERT_EQUAL(first.counters.cache_absent, first.counters.programs_built);
    CU_ASSERT_EQUAL(first.counters.programs_saved, first.counters.programs_built);
    outcome second = convolve();
    expect_loaded(&second);
    CU_ASSERT_EQUAL(second.counters.programs_loaded, first.counters.programs_built);
    clconv_cache_info info;
    CU_ASSERT_EQUAL(clconv_cache_get_info(&info, NULL), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(info.folder, cache);
    CU_ASSERT_EQUAL(info.entries, first.counters.programs_built);
    CU_ASSERT_EQUAL(info.loaded, second.counters.programs_loaded);
    CU_ASSERT_EQUAL(info.absent, first.counters.cache_absent);
    CU_ASSERT_EQUAL(info.wanted, 0);
}

/* Each makes other entries, and none is lost. */
static void test_changes(void)
{
    static const struct {
        const char *variable, *value;
    } changes[] = {{"LAYER_DRIVER", "another driver"},
                   {"LAYER_NAME", "another device"},
                   {"LAYER_VENDOR", "another vendor"},
                   {"LAYER_PLATFORM", "another platform"},
                   {"POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable -DANOTHER"}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char before[256] = "";
        const char *was = getenv(changes[i].variable);
        if (was != NULL) snprintf(before, sizeof before, "%s", was);
        setenv(changes[i].variable, changes[i].value, 1);
        outcome changed = convolve();
        expect_compiled(&changed);
        CU_ASSERT(changed.counters.cache_absent > 0);
        if (was != NULL)
            setenv(changes[i].variable, before, 1);
        else
            unsetenv(changes[i].variable);
    }
    outcome again = convolve();
    expect_loaded(&again);
}

static void test_changed_source(void)
{
    const embedded_source *s = embedded_sources;
    while (strcmp(s->name, "any/direct.cl") != 0)
        s++;
    char *other = malloc(s->size + 64);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    snprintf(other, s->size + 64, "%.*s\n/* another */\n", (int)s->size, s->bytes);
    kernel_folder_open("any/direct.cl", other);
    outcome changed = convolve();
    CU_ASSERT(changed.counters.programs_built > 0);
    CU_ASSERT(changed.counters.cache_absent > 0);
    kernel_folder_close();
    free(other);
    outcome again = convolve();
    expect_loaded(&again);
}

typedef void (*entry_change)(const char *path, int64_t size);

static int change_next(void *user, const store_item *item)
{
    char path[256];
    entry_change change;
    memcpy(&change, user, sizeof change);
    snprintf(path, sizeof path, "%s/%.100s", cache, item->name);
    change(path, item->bytes);
    return 0;
}

/* Changes the file of every entry. */
static void change_entries(entry_change change)
{
    char why[STORE_WHY];
    bool is_unsafe;
    store *s = cache_open_store(why, &is_unsafe);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT(store_visit(s, CACHE_PROGRAM, change_next, &change));
    store_close(s);
}

static void cut(const char *path, int64_t size)
{
    CU_ASSERT_EQUAL(truncate(path, (off_t)(size / 2)), 0);
}

static void flip(const char *path, int64_t size)
{
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fseek(file, (long)(size * 2 / 3), SEEK_SET), 0);
    int byte = fgetc(file);
    CU_ASSERT_EQUAL(fseek(file, -1, SEEK_CUR), 0);
    CU_ASSERT(fputc(byte ^ 1, file) != EOF);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

static void test_damage(void)
{
    static const entry_change changes[] = {cut, flip};
    empty_cache();
    convolve();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        change_entries(changes[i]);
        outcome after = convolve();
        expect_compiled(&after);
        CU_ASSERT_EQUAL(after.counters.cache_damaged, after.counters.programs_built);
        CU_ASSERT_EQUAL(after.counters.programs_saved, after.counters.programs_built);
        outcome again = convolve();
        expect_loaded(&again);
    }
}

/* A whole entry under the right key whose binary is none. */
static int replace_binary(void *user, const store_item *item)
{
    store *s = user;
    char why[STORE_WHY], content[512];
    int length = snprintf(content, sizeof content, "direct 1 1 1\n\nno binary of any driver, at all");
    CU_ASSERT(store_save(s, CACHE_PROGRAM, item->key, (byte_span){content, (size_t)length}, false, why));
    return 0;
}

static void test_refused(void)
{
    char why[STORE_WHY];
    bool is_unsafe;
    store *s = cache_open_store(why, &is_unsafe);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT(store_visit(s, CACHE_PROGRAM, replace_binary, s));
    store_close(s);
    outcome after = convolve();
    expect_compiled(&after);
    CU_ASSERT_EQUAL(after.counters.cache_refused, after.counters.programs_built);
    outcome again = convolve();
    expect_loaded(&again);
}

static void test_off(void)
{
    struct stat st;
    empty_cache();
    setenv("CLCONV_CACHE", "off", 1);
    outcome off = convolve();
    expect_compiled(&off);
    CU_ASSERT_EQUAL(off.counters.cache_absent, 0);
    CU_ASSERT_EQUAL(off.warnings, 0);
    CU_ASSERT_NOT_EQUAL(stat(cache, &st), 0);
    unsetenv("CLCONV_CACHE");
}

static void test_unsafe(void)
{
    CU_ASSERT_EQUAL(mkdir(cache, 0700), 0);
    CU_ASSERT_EQUAL(chmod(cache, 0755), 0);
    outcome o = convolve();
    expect_compiled(&o);
    CU_ASSERT_EQUAL(o.warnings, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(o.warning, cache));
    CU_ASSERT_EQUAL(rmdir(cache), 0); /* nothing was put there */
}

static int file_count;

static int count_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path, (void)st, (void)at;
    file_count += type == FTW_F;
    return 0;
}

static int compiled_files(void)
{
    file_count = 0;
    CU_ASSERT_EQUAL(nftw(drivers, count_file, 16, FTW_PHYS), 0);
    return file_count;
}

static clconv_context *open_context(void)
{
    clconv_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(clconv_context_create_selected(NULL, NULL, &context, NULL), CLCONV_SUCCESS);
    return context;
}

/* As PoCL itself: no plan waits for binaries, whose kernels are then complete: the first run of one compiles nothing. */
static void test_fill(void)
{
    int64_t saved = 0;
    unsetenv("LAYER_PLATFORM");
    outcome first = convolve();
    expect_compiled(&first);
    CU_ASSERT_EQUAL(first.counters.programs_saved, 0);
    CU_ASSERT_EQUAL(first.counters.programs_wanted, first.counters.programs_built);
    CU_ASSERT_EQUAL(first.counters.programs_wanted_again, 0);
    outcome second = convolve();
    expect_compiled(&second);
    CU_ASSERT_EQUAL(second.counters.programs_wanted_again, second.counters.programs_built);
    clconv_context *context = open_context();
    CU_ASSERT_EQUAL(clconv_cache_fill(context, &saved, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(saved, first.counters.programs_built);
    CU_ASSERT_EQUAL(clconv_cache_fill(context, &saved, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(saved, 0);
    clconv_context_release(context);
    int files = compiled_files();
    outcome third = convolve();
    expect_loaded(&third);
    CU_ASSERT_EQUAL(third.counters.programs_wanted, 0);
    CU_ASSERT_EQUAL(compiled_files(), files);
}

const char test_suite_name[] = "cache";
const test_entry test_suite[] = {
    {"folders of its own", test_begin},
    {"a second context compiles nothing", test_second_context},
    {"what an entry depends on makes another", test_changes},
    {"so does the source", test_changed_source},
    {"damaged entries are compiled again", test_damage},
    {"so are those that the driver refuses", test_refused},
    {"off is off", test_off},
    {"an unsafe folder is told and not used", test_unsafe},
    {"what compiles again is left to fill", test_fill},
    {"the folders are removed", test_end},
    {NULL, NULL},
};
