/* A device without a compiler, which the tests' layer makes of the one that is there: 16 KiB of local memory, work-groups of
 * 64, allocations of 64 MiB, and no program of a source. Classes of the benchmark's layers, at small extents, run from a
 * bundle that was made beforehand and agree with the reference; what it lacks is named; and no damage of a bundle reaches
 * the driver. A program of its own, since PoCL reads the place of its cache once. */
#define _XOPEN_SOURCE 700
#include "harness.h"
#include "opencl/bundle.h"
#include "opencl/runtime.h"
#include "plan/plan.h"
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct bundled_case {
    clconv_op op;
    const char *problem;
} bundled_case;

/* C3D, the stem of R3D-18, R(2+1)D-18, X3D-M, I3D, MLPerf-UNet3D, a decoder, and a training step. */
static const bundled_case cases[] = {
    {CLCONV_FORWARD, "ic16id5ih9iw10oc16kd3pd1"},
    {CLCONV_FORWARD, "ic3id4ih14iw14oc8kd3kh7kw7sd1sh2sw2pd1ph3pw3"},
    {CLCONV_FORWARD, "ic16id6ih7iw6oc16kd3kh1kw1pd1ph0pw0"},
    {CLCONV_FORWARD, "ic16id5ih8iw8oc16g16kd3pd1"},
    {CLCONV_FORWARD, "ic16id3ih8iw9oc16kd1"},
    {CLCONV_FORWARD, "ic8id8ih8iw8oc16kd3sd2pd1"},
    {CLCONV_TRANSPOSED, "ic8id6ih6iw6oc16kd2sd2"},
    {CLCONV_BACKWARD_WEIGHT, "ic8id5ih6iw7oc8kd3pd1"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static char root[] = "/tmp/clconv-test-XXXXXX";
static char bundle_path[64], sources[64];

static void pretend(bool has_compiler)
{
    setenv("LAYER_COMPILER", has_compiler ? "1" : "0", 1);
}

static void test_begin(void)
{
    static const char *const device[][2] = {{"LAYER_PLATFORM", "a platform of the tests"},
                                            {"LAYER_TYPE", "accelerator"},
                                            {"LAYER_NAME", "a device without compiler"},
                                            {"LAYER_LOCAL_MEMORY", "16384"},
                                            {"LAYER_WORK_GROUP", "64"},
                                            {"LAYER_ALLOCATION", "67108864"},
                                            {"LAYER_MEMORY", "1073741824"},
                                            {"LAYER_VECTOR_WIDTH", "4"}};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    snprintf(bundle_path, sizeof bundle_path, "%s/programs", root);
    snprintf(sources, sizeof sources, "%s/sources", root);
    for (size_t i = 0; i < sizeof device / sizeof device[0]; i++)
        setenv(device[i][0], device[i][1], 1);
    pretend(true);
}

static void test_end(void)
{
    test_remove_folder(root);
}

static int warnings;
static char warning[1024];

static void note(void *user, clconv_message_level level, const char *text)
{
    (void)user;
    if (level != CLCONV_MESSAGE_WARNING) return;
    warnings++;
    snprintf(warning, sizeof warning, "%s", text);
}

static clconv_status open_device(const clconv_context_options *options, test_device *t, clconv_error *err)
{
    cl_int code = CL_SUCCESS;
    clconv_context_options how = *options;
    how.message = note;
    *t = (test_device){0};
    warnings = 0;
    clconv_status status = clconv_context_create_selected("0", &how, &t->context, err);
    if (status != CLCONV_SUCCESS) return status;
    t->opencl = clconv_context_opencl(t->context);
    t->device = clconv_context_device(t->context);
    t->queue = clCreateCommandQueue(t->opencl, t->device, 0, &code);
    CU_ASSERT_EQUAL(code, CL_SUCCESS);
    return status;
}

static clconv_problem problem_of(const bundled_case *c)
{
    clconv_problem p;
    CU_ASSERT_EQUAL(clconv_problem_parse(c->problem, &p, NULL), CLCONV_SUCCESS);
    return p;
}

static clconv_status make_plan(const test_device *t, const bundled_case *c, test_plan *p, clconv_error *err)
{
    const clconv_problem problem = problem_of(c);
    return test_plan_create_op(t, c->op, &problem, NULL, false, false, CLCONV_WORKSPACE_UNLIMITED, p, err);
}

static void export_all(void)
{
    test_device t;
    test_plan made[CASES] = {{.plan = NULL}};
    clconv_plan *plans[CASES];
    clconv_error err = {.message = ""};
    const clconv_context_options how = {.exportable = 1};
    pretend(true);
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, &err), CLCONV_SUCCESS);
    for (size_t i = 0; i < CASES; i++) {
        CU_ASSERT_EQUAL_FATAL(make_plan(&t, &cases[i], &made[i], &err), CLCONV_SUCCESS);
        plans[i] = made[i].plan;
    }
    CU_ASSERT_EQUAL(clconv_programs_export(plans, CASES, bundle_path, &err), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(err.message, "");
    for (size_t i = 0; i < CASES; i++)
        test_plan_release(&made[i]);
    test_device_close(&t);
}

/* Runs a case, whose result must be the reference's. */
static void run_case(const test_device *t, const bundled_case *c)
{
    test_plan p;
    test_data data;
    test_reference expected;
    clconv_plan_info info;
    char why[TEST_WHY] = "";
    clconv_error err = {.message = ""};
    if (make_plan(t, c, &p, &err) != CLCONV_SUCCESS) {
        printf("\n  %s: %s\n", c->problem, err.message);
        CU_FAIL("a plan");
        return;
    }
    clconv_plan_get_info(p.plan, &info);
    CU_ASSERT_FATAL(test_data_small_integers(&p.problem, 7, &data));
    CU_ASSERT_FATAL(test_reference_compute_op(c->op, &p.problem, &data, &expected));
    double *got = calloc((size_t)expected.count + 1, sizeof *got);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    bool is_run = test_plan_run(t, &p, &data, got, why);
    if (!is_run) printf("\n  %s: %s\n", c->problem, why);
    CU_ASSERT(is_run);
    CU_ASSERT_EQUAL(first_outside_bound(info.algorithm, &p.problem, got, &expected), expected.count);
    free(got);
    free(expected.output);
    test_data_release(&data);
    test_plan_release(&p);
}

/* All cases without a compiler, of this bundle. */
static void run_all(const char *path)
{
    test_device t;
    clconv_counters counters;
    clconv_error err = {.message = ""};
    const clconv_context_options how = {.bundle = path};
    pretend(false);
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, &err), CLCONV_SUCCESS);
    CU_ASSERT_FALSE(clconv_context_device_info(t.context)->has_compiler);
    for (size_t i = 0; i < CASES; i++)
        run_case(&t, &cases[i]);
    clconv_context_counters(t.context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, 0);
    CU_ASSERT_EQUAL(counters.programs_loaded, 0);
    CU_ASSERT(counters.programs_bundled > 0);
    CU_ASSERT_EQUAL(warnings, 0);
    test_device_close(&t);
}

static void test_run(void)
{
    export_all();
    run_all(bundle_path);
}

/* The bundle of the environment, by which the device is chosen too. */
static void test_environment(void)
{
    clconv_context *context = NULL;
    clconv_error err = {.message = ""};
    pretend(false);
    CU_ASSERT_EQUAL(clconv_context_create_selected(NULL, NULL, &context, &err), CLCONV_NO_DEVICE);
    setenv("CLCONV_BUNDLE", bundle_path, 1);
    CU_ASSERT_EQUAL(clconv_context_create_selected(NULL, NULL, &context, &err), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(((const runtime *)context)->bundle);
    clconv_context_release(context);
    unsetenv("CLCONV_BUNDLE");
}

static clconv_status plan_missing(const char *path, const char *problem, clconv_error *err)
{
    test_device t;
    test_plan p;
    const clconv_context_options how = {.bundle = path};
    const bundled_case c = {CLCONV_FORWARD, problem};
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, err), CLCONV_SUCCESS);
    clconv_status status = make_plan(&t, &c, &p, err);
    if (status == CLCONV_SUCCESS) test_plan_release(&p);
    test_device_close(&t);
    return status;
}

static void test_missing(void)
{
    clconv_error err = {.message = ""};
    const char *problem = "mb1ic64id5ih9iw9oc64kd5kh5kw5sd3sh3sw3pd2ph2pw2dd1dh1dw1g2";
    pretend(false);
    CU_ASSERT_EQUAL(plan_missing(bundle_path, problem, &err), CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "the bundle does not have cl/"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, " -D"));
    char command[512];
    snprintf(command, sizeof command, "clconv compile --problem %s --output", problem);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, command));
    CU_ASSERT_EQUAL(plan_missing(NULL, problem, &err), CLCONV_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "no bundle is given"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, command));
}

/* Where there is a compiler, what the bundle has comes from it and the rest is compiled, without a warning. */
static void test_with_compiler(void)
{
    test_device t;
    clconv_counters counters;
    clconv_error err = {.message = ""};
    const bundled_case other = {CLCONV_FORWARD, "ic5id5ih6iw6oc3kd2"};
    const clconv_context_options how = {.bundle = bundle_path, .exportable = 1};
    pretend(true);
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, &err), CLCONV_SUCCESS);
    run_case(&t, &cases[0]);
    clconv_context_counters(t.context, &counters);
    CU_ASSERT_EQUAL(counters.programs_built, 0);
    CU_ASSERT(counters.programs_bundled > 0);
    run_case(&t, &other);
    clconv_context_counters(t.context, &counters);
    CU_ASSERT(counters.programs_built > 0);
    CU_ASSERT_EQUAL(warnings, 0);
    test_device_close(&t);
}

/* A bundle of another driver is told, and used nowhere. */
static void test_other_driver(void)
{
    test_device t;
    clconv_counters counters;
    clconv_error err = {.message = ""};
    const clconv_context_options how = {.bundle = bundle_path};
    setenv("LAYER_DRIVER", "another driver", 1);
    pretend(false);
    CU_ASSERT_EQUAL(open_device(&how, &t, &err), CLCONV_FILE_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "another driver"));
    pretend(true);
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, &err), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(warnings, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(warning, "another driver"));
    run_case(&t, &cases[4]);
    clconv_context_counters(t.context, &counters);
    CU_ASSERT_EQUAL(counters.programs_bundled, 0);
    test_device_close(&t);
    unsetenv("LAYER_DRIVER");
}

static char *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(fread(bytes, 1, *size, file), *size);
    fclose(file);
    bytes[*size] = '\0';
    return bytes;
}

static void write_all(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

/* Some truncations and flips of the real file; unit/bundle makes each of a small one. */
static void test_damage(void)
{
    enum { STEPS = 40 };
    size_t size = 0;
    char path[80], *bytes = read_all(bundle_path, &size);
    snprintf(path, sizeof path, "%s.damaged", bundle_path);
    pretend(false);
    const clconv_context_options how = {.bundle = path};
    for (size_t i = 0; i < STEPS; i++) {
        test_device t;
        clconv_error err = {.message = ""};
        size_t at = size * i / STEPS;
        bytes[at] = (char)(bytes[at] ^ 1);
        write_all(path, bytes, size);
        bytes[at] = (char)(bytes[at] ^ 1);
        CU_ASSERT_EQUAL(open_device(&how, &t, &err), CLCONV_FILE_FAILED);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "damaged"));
        write_all(path, bytes, at);
        CU_ASSERT_EQUAL(open_device(&how, &t, &err), CLCONV_FILE_FAILED);
    }
    free(bytes);
}

/* What a vendor's compiler would do: a binary of each emitted source, here without any option. */
static void compile_source(const test_device *t, const char *name, char *file, size_t room)
{
    char path[256];
    size_t size = 0;
    cl_int code = CL_SUCCESS;
    snprintf(path, sizeof path, "%s/%s.cl", sources, name);
    char *code_text = read_all(path, &size);
    const char *strings[] = {code_text};
    cl_program program = clCreateProgramWithSource(t->opencl, 1, strings, &size, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clBuildProgram(program, 1, &t->device, "", NULL, NULL), CL_SUCCESS);
    CU_ASSERT_EQUAL(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL), CL_SUCCESS);
    unsigned char *binary = malloc(size);
    CU_ASSERT_EQUAL(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL), CL_SUCCESS);
    snprintf(file, room, "%s/%s.bin", sources, name);
    write_all(file, (const char *)binary, size);
    free(binary);
    free(code_text);
    clReleaseProgram(program);
}

/* Compiles what the manifest's kernels are named for, and completes it with the files. */
static void complete_manifest(const test_device *t)
{
    char path[256], kernel[129], name[129], file[256];
    size_t size = 0, local[3];
    snprintf(path, sizeof path, "%s/manifest", sources);
    char *manifest = read_all(path, &size), source[129] = "", sum[9] = "";
    text made = {0};
    for (const char *line = manifest; *line != '\0'; line += strcspn(line, "\n") + 1) {
        int length = (int)strcspn(line, "\n");
        if (sscanf(line, "program %*[a-z]/%128[a-z_0-9]", source) == 1) sum[0] = '\0';
        if (sscanf(line, "kernel %128s %zu %zu %zu %128s", kernel, &local[0], &local[1], &local[2], name) ==
            5)
            snprintf(sum, sizeof sum, "%s", strrchr(name, '_') + 1);
        if (strncmp(line, "kernel ", 7) == 0) CU_ASSERT_EQUAL(local[0] * local[1] * local[2], 1);
        if (strncmp(line, "file ", 5) != 0) {
            text_append(&made, "%.*s\n", length, line);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(strlen(sum), 8);
        char stem[140];
        snprintf(stem, sizeof stem, "%s_%s", source, name + strlen(kernel) + 1);
        compile_source(t, stem, file, sizeof file);
        text_append(&made, "file %s\n", strrchr(file, '/') + 1);
    }
    write_all(path, made.data, made.length);
    text_release(&made);
    free(manifest);
}

/* Sources are given for plans that are not built, on a device that cannot build them. */
static void test_sources(void)
{
    test_device t;
    test_plan made[2];
    clconv_plan *plans[2];
    char manifest[80], packed[80];
    clconv_error err = {.message = ""};
    const clconv_context_options only = {.plans_only = 1, .exportable = 1};
    pretend(false);
    CU_ASSERT_EQUAL_FATAL(open_device(&only, &t, &err), CLCONV_SUCCESS);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(make_plan(&t, &cases[i + 4], &made[i], &err), CLCONV_SUCCESS);
        plans[i] = made[i].plan;
    }
    CU_ASSERT_EQUAL(clconv_programs_export(plans, 2, bundle_path, &err), CLCONV_UNSUPPORTED);
    CU_ASSERT_EQUAL_FATAL(clconv_programs_emit(plans, 2, sources, &err), CLCONV_SUCCESS);
    for (int i = 0; i < 2; i++)
        test_plan_release(&made[i]);
    test_device_close(&t);

    pretend(true);
    CU_ASSERT_EQUAL_FATAL(open_device(&only, &t, &err), CLCONV_SUCCESS);
    snprintf(manifest, sizeof manifest, "%s/manifest", sources);
    snprintf(packed, sizeof packed, "%s/packed", root);
    CU_ASSERT_EQUAL(clconv_programs_pack(manifest, packed, &err), CLCONV_FILE_FAILED); /* no binary yet */
    complete_manifest(&t);
    CU_ASSERT_EQUAL_FATAL(clconv_programs_pack(manifest, packed, &err), CLCONV_SUCCESS);
    test_device_close(&t);

    pretend(false);
    const clconv_context_options how = {.bundle = packed};
    CU_ASSERT_EQUAL_FATAL(open_device(&how, &t, &err), CLCONV_SUCCESS);
    run_case(&t, &cases[4]);
    run_case(&t, &cases[5]);
    test_device_close(&t);
}

const char test_suite_name[] = "bundle";
const test_entry test_suite[] = {
    {"a device", test_begin},
    {"layers run from a bundle, without a compiler", test_run},
    {"the environment names a bundle", test_environment},
    {"what is missing is named, with the command that makes it", test_missing},
    {"with a compiler the rest is compiled", test_with_compiler},
    {"a bundle of another driver is refused", test_other_driver},
    {"so is a damaged one", test_damage},
    {"sources, through another compiler", test_sources},
    {"the folder is removed", test_end},
    {NULL, NULL},
};
