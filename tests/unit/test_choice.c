/* What is chosen, for devices that are not there.
 *
 * What each family chooses for each layer of bench/networks.csv is frozen in tests/golden/choices.txt, so that no change
 * moves it unseen: CLCONV_FREEZE_CHOICES=FILE writes what is chosen now. And by the timings of bench/machines the choice
 * loses no more than it may. */
#include "harness.h"

#include "algorithms/registry.h"
#include "cases.h"
#include "plan/imagine.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct family_device {
    const char *family;
    imagined_device device;
} family_device;

static const family_device devices[] = {
    {"zen4", {CL_DEVICE_TYPE_CPU, "pthread-znver4-AMD EPYC", "AuthenticAMD", 512}},
    {"xeon", {CL_DEVICE_TYPE_CPU, "pthread-skylake-avx512-Intel(R) Xeon(R)", "GenuineIntel", 512}},
    {"cpu-512", {CL_DEVICE_TYPE_CPU, "some CPU", "someone", 512}},
    {"cpu-256", {CL_DEVICE_TYPE_CPU, "pthread-haswell-Intel(R) Core(TM)", "GenuineIntel", 256}},
    {"cpu-128", {CL_DEVICE_TYPE_CPU, "pthread-cortex-a76", "ARM", 128}},
    {"gpu", {CL_DEVICE_TYPE_GPU, "some GPU", "someone", 32}},
    {"nvidia", {CL_DEVICE_TYPE_GPU, "some GPU", "NVIDIA Corporation", 32}},
    {"rdna", {CL_DEVICE_TYPE_GPU, "gfx1030", "Advanced Micro Devices, Inc.", 32}},
    {"intel", {CL_DEVICE_TYPE_GPU, "Arc", "Intel(R) Corporation", 32}},
};

enum {
    DEVICES = sizeof devices / sizeof devices[0],
    MOST_ALGORITHMS = 64,
    MOST_LINE = 1024,
    MOST_TEXT = 256
};

/* imagine_choice() on a device. */
static bool choose(const family_device *on, clconv_op op, const clconv_problem *problem, clconv_plan *plan)
{
    clconv_context context = imagine_context(&on->device);
    bool is_chosen = imagine_choice(&context, op, problem, plan);
    plan->context = NULL;
    return is_chosen;
}

/* Marks the algorithms that can do the problem, by their places in the registry. */
static void mark_able(clconv_op op, const clconv_problem *problem, bool able[MOST_ALGORITHMS])
{
    clconv_plan plan;
    choose(&devices[0], op, problem, &plan);
    for (size_t c = 0; c < plan.candidate_count; c++)
        for (size_t a = 0; registry_at(a) != NULL; a++)
            if (plan.candidates[c].algorithm == registry_at(a) && plan.candidates[c].rejection == NULL)
                able[a] = true;
    plan_drop_candidates(&plan);
}

/* Each algorithm for CPUs can do some case of the table that all run: else it is not tested. */
static void test_cases_reach_all(void)
{
    size_t count = 0;
    test_case *cases = cases_read(SOURCE_DIR "/tests/cases/conv3d.txt", &count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cases);
    for (clconv_op op = CLCONV_FORWARD; op <= CLCONV_BACKWARD_BIAS; op++) {
        bool able[MOST_ALGORITHMS] = {false};
        for (size_t i = 0; i < count; i++)
            if (cases[i].problem.batch > 0 && (op == CLCONV_FORWARD || case_has_gradients(i)))
                mark_able(op, &cases[i].problem, able);
        for (size_t a = 0; registry_at(a) != NULL; a++)
            if (registry_serves(registry_at(a), op) && registry_at(a)->devices != FOR_GPU)
                CU_ASSERT_TRUE(able[a]);
    }
    free(cases);
}

static void test_families(void)
{
    for (int i = 0; i < DEVICES; i++) {
        const clconv_device_info info = imagine_info(&devices[i].device);
        CU_ASSERT_STRING_EQUAL(machine_of(&info)->name, devices[i].family);
    }
    const clconv_device_info odd = {.type = CL_DEVICE_TYPE_ACCELERATOR, .vector_bits = 32};
    CU_ASSERT_STRING_EQUAL(machine_of(&odd)->name, "accelerator");
    for (size_t i = 0; machine_name(i) != NULL; i++) {
        clconv_device_info info;
        CU_ASSERT_TRUE_FATAL(machine_example(machine_name(i), &info));
        CU_ASSERT_STRING_EQUAL(machine_of(&info)->name, machine_name(i));
        CU_ASSERT_DOUBLE_EQUAL(machine_speed(machine_of(&info), &info), 1, 1e-9);
        info.compute_units *= 3;
        double speed = (info.type & CL_DEVICE_TYPE_GPU) != 0 ? 3 : 1;
        CU_ASSERT_DOUBLE_EQUAL(machine_speed(machine_of(&info), &info), speed, 1e-9);
    }
}

/* What drivers say of their devices. */
static void test_gpus(void)
{
    static const struct {
        const char *vendor, *name, *architecture, *family;
        double multiply_adds; /* of a unit, by those of the family's */
    } gpus[] = {
        {"NVIDIA Corporation", "NVIDIA H200", "sm_90", "nvidia", 1},
        {"NVIDIA Corporation", "Tesla T4", "sm_75", "nvidia", 0.5},
        {"NVIDIA Corporation", "NVIDIA A100-SXM4-40GB", "sm_80", "nvidia", 0.5},
        {"Advanced Micro Devices, Inc.", "gfx1030", "gfx1030", "rdna", 1},
        {"Advanced Micro Devices, Inc.", "gfx1100", "", "rdna", 1},
        {"Advanced Micro Devices, Inc.", "gfx90a:sramecc+:xnack-", "gfx900", "gcn", 1},
        {"AMD", "AMD Radeon VII (radeonsi, vega20)", "", "gcn", 1},
        {"Intel(R) Corporation", "Intel(R) Arc(TM) A770 Graphics", "simd8", "intel", 1},
        {"Intel(R) Corporation", "Intel(R) UHD Graphics 630", "", "intel", 1},
        {"Intel(R) Corporation", "Intel(R) Data Center GPU Max 1550", "simd16", "xe-hpc", 1},
        {"ARM", "Mali-G78", "", "mali", 1},
        {"QUALCOMM", "QUALCOMM Adreno(TM)", "", "adreno", 1},
        {"Apple", "Apple M1", "", "apple", 1},
        {"Imagination Technologies", "PowerVR B-Series", "", "gpu", 1},
    };
    for (size_t i = 0; i < sizeof gpus / sizeof gpus[0]; i++) {
        clconv_device_info info, usual;
        CU_ASSERT_TRUE_FATAL(machine_example(gpus[i].family, &usual));
        info = usual;
        snprintf(info.vendor, sizeof info.vendor, "%s", gpus[i].vendor);
        snprintf(info.name, sizeof info.name, "%s", gpus[i].name);
        snprintf(info.architecture, sizeof info.architecture, "%s", gpus[i].architecture);
        CU_ASSERT_STRING_EQUAL(machine_of(&info)->name, gpus[i].family);
        CU_ASSERT_DOUBLE_EQUAL(machine_speed(machine_of(&info), &info), gpus[i].multiply_adds, 1e-9);
    }
}

static void test_shares(void)
{
    const clconv_device_info info = {.type = CL_DEVICE_TYPE_CPU, .vector_bits = 512};
    const machine *m = machine_of(&info);
    CU_ASSERT_DOUBLE_EQUAL(machine_tile_share(m, 8, 3), 1, 0);
    CU_ASSERT(machine_tile_share(m, 1, 1) < machine_tile_share(m, 2, 2));
    const work once = {.busy = 1e9, .traffic = 1}, twice = {.busy = 2e9, .traffic = 1},
               far = {.traffic = 1e9};
    double launch = m->launch_seconds, one = machine_seconds(m, 1, 4, &once) - launch;
    CU_ASSERT_DOUBLE_EQUAL(machine_seconds(m, 1, 4, &twice) - launch, 2 * one, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(machine_seconds(m, 1, 8, &once) - launch, 2 * one, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(machine_seconds(m, 1, 4, &far) - launch, 1e9 / m->bytes_per_second, 1e-12);
}

/* The op and the numbers of a row of a suite; false for its head. */
static bool read_row(char *line, clconv_op *op, clconv_problem *p)
{
    int64_t numbers[IMAGINED_NUMBERS];
    const char *transposed = strrchr(line, ',');
    *op = transposed != NULL && transposed[1] == '1' ? CLCONV_TRANSPOSED : CLCONV_FORWARD;
    char *at = strchr(line, ',');
    if (at != NULL) at = strchr(at + 1, ',');
    for (int i = 0; i < IMAGINED_NUMBERS; i++) {
        if (at == NULL) return false;
        char *start = at + 1;
        numbers[i] = strtoll(start, &at, 10);
        if (at == start) return false;
    }
    *p = imagine_problem(numbers);
    return true;
}

/* "OP PROBLEM" and the choices of all devices. */
static void write_choices(clconv_op op, const clconv_problem *p, char text[MOST_LINE])
{
    char problem[CLCONV_PROBLEM_TEXT_SIZE];
    CU_ASSERT_EQUAL_FATAL(clconv_problem_format(p, problem, NULL), CLCONV_SUCCESS);
    int length = snprintf(text, MOST_LINE, "%s %s", clconv_op_name(op), problem);
    for (int i = 0; i < DEVICES; i++) {
        clconv_plan plan;
        bool is_chosen = choose(&devices[i], op, p, &plan);
        length += snprintf(text + length, MOST_LINE - (size_t)length, " %s",
                           is_chosen ? plan.algorithm->name : "none");
        plan_drop_candidates(&plan);
    }
}

/* Compares a layer's choices with the next frozen line, or writes them to `freeze`. */
static void check_layer(clconv_op op, const clconv_problem *p, FILE *frozen, FILE *freeze)
{
    char now[MOST_LINE], before[MOST_LINE] = "";
    write_choices(op, p, now);
    if (freeze != NULL) {
        fprintf(freeze, "%s\n", now);
        return;
    }
    CU_ASSERT_PTR_NOT_NULL(fgets(before, sizeof before, frozen));
    before[strcspn(before, "\n")] = '\0';
    if (strcmp(now, before) != 0) printf("\n  it was  %s\n  it is   %s", before, now);
    CU_ASSERT_STRING_EQUAL(now, before);
}

static void test_frozen(void)
{
    const char *path = getenv("CLCONV_FREEZE_CHOICES");
    FILE *suite = fopen(SOURCE_DIR "/bench/networks.csv", "r"),
         *frozen = fopen(SOURCE_DIR "/tests/golden/choices.txt", "r"),
         *freeze = path ? fopen(path, "w") : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(suite);
    CU_ASSERT_FATAL(frozen != NULL || freeze != NULL);
    char line[MOST_LINE];
    int layers = 0;
    while (fgets(line, sizeof line, suite) != NULL) {
        clconv_problem p;
        clconv_op op;
        if (!read_row(line, &op, &p)) continue;
        const clconv_op ops[] = {op, CLCONV_BACKWARD_INPUT, CLCONV_BACKWARD_WEIGHT};
        for (int i = 0; i < (op == CLCONV_FORWARD ? 3 : 1); i++)
            check_layer(ops[i], &p, frozen, freeze);
        layers++;
    }
    CU_ASSERT(layers > 250);
    fclose(suite);
    if (frozen != NULL) fclose(frozen);
    if (freeze != NULL) fclose(freeze);
}

/* For GPUs no layer of any weight runs on a kernel that is made for CPUs or is the definition. */
static void check_gpu_choice(const char *family, clconv_op op, const clconv_problem *p)
{
    clconv_context context = {.rt = {.traits = {0}}};
    clconv_plan plan;
    geometry g;
    CU_ASSERT_EQUAL_FATAL(imagine_family(family, &context.rt.info, NULL), CLCONV_SUCCESS);
    traits_derive(&context.rt.info, &context.rt.traits);
    CU_ASSERT_EQUAL_FATAL(geometry_compute(p, &g, NULL), CLCONV_SUCCESS);
    if ((double)g.elements.output * (double)g.reduction < 50e6) return;
    CU_ASSERT_TRUE(imagine_choice(&context, op, p, &plan));
    bool is_made_for_it = plan.algorithm != NULL && (plan.algorithm->devices == FOR_GPU ||
                                                     strcmp(plan.algorithm->name, "im2col_gemm") == 0);
    if (!is_made_for_it) {
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        clconv_problem_format(p, text, NULL);
        printf("\n  %s: %s %s", family, clconv_op_name(op), text);
    }
    CU_ASSERT_TRUE(is_made_for_it);
    plan_drop_candidates(&plan);
}

static void test_gpu_choices(void)
{
    static const char *const families[] = {"nvidia:132", "rdna:36", "intel:32"};
    static const char *const suites[] = {SOURCE_DIR "/bench/networks.csv", SOURCE_DIR "/bench/suite.csv"};
    int layers = 0;
    for (int suite = 0; suite < 2; suite++) {
        FILE *file = fopen(suites[suite], "r");
        char line[MOST_LINE];
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        while (fgets(line, sizeof line, file) != NULL) {
            clconv_problem p;
            clconv_op op;
            if (!read_row(line, &op, &p)) continue;
            const clconv_op ops[] = {op, CLCONV_BACKWARD_INPUT, CLCONV_BACKWARD_WEIGHT};
            for (int i = 0; i < (op == CLCONV_FORWARD ? 3 : 1); i++)
                for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
                    check_gpu_choice(families[f], ops[i], &p);
            layers++;
        }
        fclose(file);
    }
    CU_ASSERT(layers > 250);
}

static cJSON *read_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    CU_ASSERT_FATAL(size > 0);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    cJSON *json = cJSON_Parse(text);
    free(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    return json;
}

static clconv_op op_named(const char *name)
{
    int op = 0;
    while (clconv_op_name((clconv_op)op) != NULL && strcmp(clconv_op_name((clconv_op)op), name) != 0)
        op++;
    return (clconv_op)op;
}

/* What an algorithm is estimated to take; infinite if it cannot do the problem. */
static double seconds_of(const clconv_plan *plan, const char *algorithm)
{
    for (size_t i = 0; i < plan->candidate_count; i++)
        if (strcmp(plan->candidates[i].algorithm->name, algorithm) == 0 &&
            plan->candidates[i].rejection == NULL)
            return plan->candidates[i].seconds;
    return INFINITY;
}

/* Of the algorithms that were timed, the time of what is chosen for a layer by that of the best. */
static double regret(const family_device *device, const cJSON *layer)
{
    int64_t numbers[IMAGINED_NUMBERS] = {0};
    const cJSON *number, *time, *times = cJSON_GetObjectItem(layer, "ms");
    int count = 0;
    cJSON_ArrayForEach(number, cJSON_GetObjectItem(layer, "problem"))
    {
        if (count < IMAGINED_NUMBERS) numbers[count++] = (int64_t)number->valuedouble;
    }
    const char *op = cJSON_GetStringValue(cJSON_GetObjectItem(layer, "op"));
    clconv_problem p = imagine_problem(numbers);
    clconv_plan plan = {.context = NULL};
    double best = INFINITY, least = INFINITY, chosen = 0;
    CU_ASSERT_FATAL(op != NULL && choose(device, op_named(op), &p, &plan));
    cJSON_ArrayForEach(time, times)
    {
        double seconds = seconds_of(&plan, time->string);
        if (seconds < least) chosen = time->valuedouble;
        least = fmin(least, seconds);
        best = fmin(best, time->valuedouble);
    }
    plan_drop_candidates(&plan);
    return chosen / best;
}

/* The geometric mean of the regrets of a machine's layers, and how many are above 1.4. */
static void check_machine(const char *file, const family_device *device, double most, int most_far)
{
    cJSON *data = read_json(file);
    const cJSON *layer;
    double logs = 0;
    int layers = 0, far = 0;
    cJSON_ArrayForEach(layer, cJSON_GetObjectItem(data, "layers"))
    {
        double r = regret(device, layer);
        CU_ASSERT(r >= 1);
        logs += log(fmax(r, 1));
        far += r > 1.4;
        layers++;
    }
    double mean = exp(logs / layers);
    printf("%s loses %.1f%% on %d layers, %d above 40%%; ", device->family, 100 * (mean - 1), layers, far);
    CU_ASSERT(layers >= 12);
    CU_ASSERT(mean <= most);
    CU_ASSERT(far <= most_far);
    cJSON_Delete(data);
}

static void test_regret(void)
{
    check_machine(SOURCE_DIR "/bench/machines/xeon-avx512-amx.json", &devices[1], 1.05, 2);
    check_machine(SOURCE_DIR "/bench/machines/xeon-icelake-pairs.json", &devices[1], 1.05, 0);
    check_machine(SOURCE_DIR "/bench/machines/xeon-icelake-weights.json", &devices[1], 1.05, 0);
}

const char test_suite_name[] = "the choice";
const test_entry test_suite[] = {
    {"the case table reaches all algorithms", test_cases_reach_all},
    {"families", test_families},
    {"GPUs", test_gpus},
    {"work and time", test_shares},
    {"what is frozen", test_frozen},
    {"what GPUs choose", test_gpu_choices},
    {"what it loses", test_regret},
    {NULL, NULL},
};
