/* Tuning data without OpenCL: a text that is damaged in any way adds nothing, or entries as they were; data of another device,
 * driver or library are not used; and a file is whole whoever writes it at once. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "tuning/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char base_problem[] = "mb1ic64id8ih56iw56oc64kd3kh3kw3sd1sh1sw1pd1ph1pw1dd0dh0dw0g1";

static tuning_entry make_entry(tuning_kind kind, const char *problem, const char *algorithm, int64_t tuned)
{
    tuning_entry e = {.kind = kind,
                      .place = {"a platform", "a device", "1.0", "0.1.0 abc"},
                      .time_ns = 1000,
                      .default_ns = 1500,
                      .noise_ppm = 10000,
                      .tuned = tuned};
    snprintf(e.algorithm, sizeof e.algorithm, "%s", algorithm);
    snprintf(e.parameters, sizeof e.parameters, "%s", "out_channels=4,vectors=6");
    snprintf(e.usual, sizeof e.usual, "%s", "winograd");
    if (kind == TUNING_FAILED) snprintf(e.reason, sizeof e.reason, "%s", "it ended the process: Aborted");
    CU_ASSERT_FATAL(tuning_class_parse("forward", "float32 zeros packed", problem, &e.class));
    return e;
}

static void add(tuning_data *data, tuning_entry e)
{
    CU_ASSERT_EQUAL_FATAL(tuning_add(data, &e, NULL), CLCONV_SUCCESS);
}

static tuning_data make_data(void)
{
    tuning_data data = {NULL};
    add(&data, make_entry(TUNING_BEST, base_problem, "direct", 100));
    add(&data, make_entry(TUNING_BEST, "mb1ic3id8ih56iw56oc64kd3", "direct_fused", 100));
    add(&data, make_entry(TUNING_TRIAL, "mb4ic64id8ih56iw56oc64kd3", "direct_channels", 100));
    add(&data, make_entry(TUNING_FAILED, base_problem, "winograd", 100));
    return data;
}

static clconv_status parse(const char *bytes, size_t size, tuning_data *data, clconv_error *err)
{
    return tuning_parse((byte_span){bytes, size}, "a file", data, err);
}

static bool is_equal(const tuning_entry *a, const tuning_entry *b)
{
    return a->kind == b->kind && memcmp(&a->place, &b->place, sizeof a->place) == 0 &&
           tuning_class_equals(&a->class, &b->class) && strcmp(a->algorithm, b->algorithm) == 0 &&
           strcmp(a->parameters, b->parameters) == 0 && strcmp(a->usual, b->usual) == 0 &&
           a->time_ns == b->time_ns && a->default_ns == b->default_ns && a->noise_ppm == b->noise_ppm &&
           strcmp(a->reason, b->reason) == 0 && a->tuned == b->tuned;
}

/* Each entry is one of the others. */
static bool is_part_of(const tuning_data *part, const tuning_data *whole)
{
    size_t found = 0;
    for (size_t i = 0; i < part->count; i++)
        for (size_t k = 0; k < whole->count; k++)
            found += is_equal(&part->entries[i], &whole->entries[k]);
    return found == part->count;
}

static void test_text_and_back(void)
{
    tuning_data data = make_data(), again = {NULL};
    text first = {0}, second = {0};
    tuning_format(&data, true, &first);
    CU_ASSERT_EQUAL_FATAL(parse(first.data, first.length, &again, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(again.count, data.count);
    CU_ASSERT(is_part_of(&again, &data));
    tuning_format(&again, true, &second);
    CU_ASSERT_STRING_EQUAL(first.data, second.data);
    text_release(&second);
    tuning_format(&again, false, &second);
    CU_ASSERT_PTR_NULL(strstr(second.data, "entry trial"));
    CU_ASSERT_PTR_NOT_NULL(strstr(second.data, "entry failed"));
    text_release(&first);
    text_release(&second);
    tuning_release(&data);
    tuning_release(&again);
}

static void test_every_truncation(void)
{
    tuning_data data = make_data();
    text whole = {0};
    tuning_format(&data, true, &whole);
    for (size_t size = 0; size < whole.length; size++) {
        clconv_error err = {.status = CLCONV_SUCCESS};
        tuning_data got = {NULL};
        char *bytes = malloc(size + 1); /* of just that size, for the sanitizer */
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        memcpy(bytes, whole.data, size);
        CU_ASSERT_EQUAL(parse(bytes, size, &got, &err), CLCONV_FILE_FAILED);
        CU_ASSERT_EQUAL(got.count, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "a file:"));
        tuning_release(&got);
        free(bytes);
    }
    text_release(&whole);
    tuning_release(&data);
}

static void test_every_flip(void)
{
    tuning_data data = make_data();
    text whole = {0};
    size_t taken = 0;
    tuning_format(&data, true, &whole);
    for (size_t i = 0; i < whole.length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            tuning_data got = {NULL};
            whole.data[i] = (char)(whole.data[i] ^ (1 << bit));
            if (parse(whole.data, whole.length, &got, NULL) != CLCONV_SUCCESS) CU_ASSERT_EQUAL(got.count, 0);
            CU_ASSERT(is_part_of(&got, &data));
            taken += got.count > 0;
            whole.data[i] = (char)(whole.data[i] ^ (1 << bit));
            tuning_release(&got);
        }
    }
    CU_ASSERT(taken < whole.length); /* of 8 flips a byte, those within the comment alone */
    text_release(&whole);
    tuning_release(&data);
}

static void test_swapped_lines_and_sums(void)
{
    tuning_data data = make_data(), got = {NULL};
    text whole = {0};
    tuning_format(&data, true, &whole);
    char *first = strstr(whole.data, "\nsum "), *second = strstr(first + 1, "\nsum ");
    char saved[33] = "";
    memcpy(saved, first + 5, 32);
    memcpy(first + 5, second + 5, 32);
    memcpy(second + 5, saved, 32);
    CU_ASSERT_EQUAL(parse(whole.data, whole.length, &got, NULL), CLCONV_FILE_FAILED);
    CU_ASSERT_EQUAL(got.count, 0);
    text_release(&whole);
    tuning_release(&data);
}

static void test_files_one_after_the_other(void)
{
    tuning_data one = {NULL}, two = {NULL}, got = {NULL};
    text both = {0}, reversed = {0};
    add(&one, make_entry(TUNING_BEST, base_problem, "direct", 100));
    add(&two, make_entry(TUNING_BEST, base_problem, "winograd", 200));
    add(&two, make_entry(TUNING_BEST, "ic1id9oc1kd3", "direct", 50));
    tuning_format(&one, true, &both);
    tuning_format(&two, true, &both);
    tuning_format(&two, true, &reversed);
    tuning_format(&one, true, &reversed);
    const text *const texts[] = {&both, &reversed};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(parse(texts[i]->data, texts[i]->length, &got, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL_FATAL(got.count, 2);
        const tuning_entry like = make_entry(TUNING_BEST, base_problem, "", 0);
        const tuning_entry *e = tuning_find(&got, &like);
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_STRING_EQUAL(e->algorithm, "winograd");
        tuning_release(&got);
    }
    text_release(&both);
    text_release(&reversed);
    tuning_release(&one);
    tuning_release(&two);
}

static double distance_of(const char *a, const char *b)
{
    const tuning_entry x = make_entry(TUNING_BEST, a, "", 0), y = make_entry(TUNING_BEST, b, "", 0);
    CU_ASSERT_EQUAL(tuning_distance(&x.class, &y.class), tuning_distance(&y.class, &x.class));
    return tuning_distance(&x.class, &y.class);
}

static void test_distances(void)
{
    static const char from[] = "mb2ic8id8ih8iw8oc8kd3pd1";
    CU_ASSERT_EQUAL(distance_of(from, from), 0);
    CU_ASSERT_DOUBLE_EQUAL(distance_of(from, "mb2ic8id8ih16iw8oc8kd3pd1"), 1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(distance_of(from, "mb1ic16id8ih8iw32oc8kd3pd1"), 4, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(distance_of(from, "mb2ic8id8ih8iw8oc8kd3pd2"), 0, 1e-12); /* padded all the same */
    static const char *const others[] = {"mb2ic8id8ih8iw8oc8kd3", "mb2ic8id8ih8iw8oc8kd1pd1",
                                         "mb2ic8id8ih8iw8oc8kd3pd1sd2", "mb2ic8id8ih8iw8oc8kd3pd1dd1",
                                         "mb2ic8id8ih8iw8oc8kd3pd1g8"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT(isinf(distance_of(from, others[i])));
}

static const tuning_entry *nearest(const tuning_data *data, const tuning_entry *to, double *distance)
{
    return tuning_nearest(data, &to->place, &to->class, distance);
}

static void test_the_nearest_is_served(void)
{
    tuning_data data = {NULL};
    double distance = -1;
    add(&data, make_entry(TUNING_BEST, "ic8id8ih8iw8oc8kd3", "direct", 1));
    add(&data, make_entry(TUNING_BEST, "ic8id8ih8iw32oc8kd3", "winograd", 1));
    add(&data, make_entry(TUNING_TRIAL, "ic8id8ih8iw16oc8kd3", "patch", 1));
    tuning_entry to = make_entry(TUNING_BEST, "ic8id8ih8iw20oc8kd3", "", 0);
    const tuning_entry *e = nearest(&data, &to, &distance);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_STRING_EQUAL(e->algorithm, "winograd");
    CU_ASSERT_DOUBLE_EQUAL(distance, log2(1.6), 1e-12);
    to = make_entry(TUNING_BEST, "ic8id8ih8iw33oc32kd3", "", 0); /* past the reach */
    CU_ASSERT_PTR_NULL(nearest(&data, &to, &distance));
    tuning_release(&data);
}

/* Of another platform, device, driver or library, or another op, type, padding mode or use of weights. */
static void test_other_places_and_manners_miss(void)
{
    tuning_data data = make_data();
    double distance;
    tuning_entry to = make_entry(TUNING_BEST, base_problem, "", 0);
    CU_ASSERT_PTR_NOT_NULL(nearest(&data, &to, &distance));
    char *const names[] = {to.place.platform, to.place.device, to.place.driver, to.place.build};
    for (int i = 0; i < 4; i++) {
        names[i][0] ^= 1;
        CU_ASSERT_PTR_NULL(nearest(&data, &to, &distance));
        names[i][0] ^= 1;
    }
    static const char *const manners[][2] = {
        {"backward-input", "float32 zeros packed"}, {"forward", "float64 zeros packed"},
        {"forward", "float32 repeats packed"},      {"forward", "float32 zeros unpacked"},
        {"forward", "float32 zeros packed strict"},
    };
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++) {
        CU_ASSERT_FATAL(tuning_class_parse(manners[i][0], manners[i][1], base_problem, &to.class));
        CU_ASSERT_PTR_NULL(nearest(&data, &to, &distance));
    }
    tuning_release(&data);
}

static void test_the_best_ends_the_trials(void)
{
    tuning_data data = {NULL};
    add(&data, make_entry(TUNING_TRIAL, base_problem, "direct", 1));
    add(&data, make_entry(TUNING_TRIAL, base_problem, "winograd", 1));
    tuning_entry best = make_entry(TUNING_BEST, base_problem, "direct", 2);
    snprintf(best.reason, sizeof best.reason, "unfinished");
    add(&data, best);
    CU_ASSERT_EQUAL(data.count, 3);
    best.reason[0] = '\0';
    add(&data, best);
    CU_ASSERT_EQUAL(data.count, 1);
    tuning_release(&data);
}

/* A folder of its own and a file in it. */
typedef struct fixture {
    char folder[64], path[96];
} fixture;

static fixture fixture_open(void)
{
    fixture f = {.folder = "/tmp/clconv-test-XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.folder));
    snprintf(f.path, sizeof f.path, "%s/tuning.txt", f.folder);
    return f;
}

/* Nothing but the file is left. */
static void fixture_close(const fixture *f)
{
    CU_ASSERT_EQUAL(unlink(f->path), 0);
    CU_ASSERT_EQUAL(rmdir(f->folder), 0);
}

static void test_processes_that_write_at_once(void)
{
    enum { WRITERS = 8, EACH = 10 };
    fixture f = fixture_open();
    tuning_data got = {NULL};
    bool is_absent;
    for (int w = 0; w < WRITERS; w++) {
        if (fork() != 0) continue;
        int failed = 0;
        for (int i = 0; i < EACH; i++) {
            char problem[64];
            tuning_data own = {NULL};
            snprintf(problem, sizeof problem, "ic%did4oc%dkd3", w + 1, i + 1);
            add(&own, make_entry(TUNING_BEST, problem, "direct", 1));
            failed += tuning_update(f.path, &own, NULL) != CLCONV_SUCCESS;
            tuning_release(&own);
        }
        _exit(failed);
    }
    for (int w = 0, status; w < WRITERS; w++)
        CU_ASSERT(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT_EQUAL(tuning_load(f.path, &got, &is_absent, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(got.count, WRITERS * EACH);
    tuning_release(&got);
    fixture_close(&f);
}

static void test_a_damaged_file_stays(void)
{
    fixture f = fixture_open();
    tuning_data data = make_data(), got = {NULL};
    clconv_error err;
    bool is_absent;
    char line[64] = "";
    FILE *file = fopen(f.path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("clconv tuning 1\nmine\n", file);
    fclose(file);
    CU_ASSERT_EQUAL(tuning_load(f.path, &got, &is_absent, &err), CLCONV_FILE_FAILED);
    CU_ASSERT_FALSE(is_absent);
    CU_ASSERT_EQUAL(tuning_update(f.path, &data, &err), CLCONV_FILE_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "tuning.txt:2: "));
    file = fopen(f.path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, file));
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, file));
    CU_ASSERT_STRING_EQUAL(line, "mine\n");
    fclose(file);
    CU_ASSERT_EQUAL(tuning_export(f.path, &data, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(tuning_load(f.path, &got, &is_absent, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(got.count, 3); /* all but the trial */
    tuning_release(&got);
    tuning_release(&data);
    fixture_close(&f);
    CU_ASSERT_EQUAL(tuning_load(f.path, &got, &is_absent, &err), CLCONV_FILE_FAILED);
    CU_ASSERT_TRUE(is_absent);
}

const char test_suite_name[] = "tuning data";
const test_entry test_suite[] = {
    {"a text and back", test_text_and_back},
    {"every truncation is an error", test_every_truncation},
    {"every flipped bit is an error, or changes nothing", test_every_flip},
    {"swapped sums", test_swapped_lines_and_sums},
    {"files one after the other", test_files_one_after_the_other},
    {"distances", test_distances},
    {"the nearest is served", test_the_nearest_is_served},
    {"other places and manners miss", test_other_places_and_manners_miss},
    {"the best ends the trials", test_the_best_ends_the_trials},
    {"processes that write at once", test_processes_that_write_at_once},
    {"a damaged file stays", test_a_damaged_file_stays},
    {NULL, NULL},
};
