/* The layers of the library: a folder of src/ includes only clconv.h, itself and the folders before it;
 * POSIX and the environment stay in src/base/, CLBlast in src/steps/gemm.c; the tool and the examples see
 * only clconv.h. The folders of tools/ have an order too. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Each ends in NULL. No name is in both, so that the tool cannot include what is the library's. */
static const char *const layers[] = {"base",       "problem",    "machine", "opencl", "steps",
                                     "parameters", "algorithms", "tuning",  "plan",   "blocks",
                                     "check",      "search",     "api",     NULL};

static const char *const tool_layers[] = {"common",  "files", "images",   "options",
                                          "measure", "cases", "commands", NULL};

enum { MOST_LINE = 1024, MOST_NAME = 256 };

static const char *const c11_headers[] = {"assert.h", "ctype.h",   "errno.h",  "float.h",  "inttypes.h",
                                          "limits.h", "math.h",    "stdarg.h", "stddef.h", "stdint.h",
                                          "stdio.h",  "stdbool.h", "stdlib.h", "string.h", "stdatomic.h"};

/* The index in `of` of the layer whose name the path's first part is; -1 if it is none. */
static int layer_in(const char *const *of, const char *path)
{
    size_t length = strcspn(path, "/");
    for (int i = 0; of[i] != NULL; i++)
        if (path[length] == '/' && strlen(of[i]) == length && strncmp(path, of[i], length) == 0) return i;
    return -1;
}

static int layer_of(const char *path)
{
    return layer_in(layers, path);
}

static int is_c11(const char *name)
{
    for (size_t i = 0; i < sizeof c11_headers / sizeof c11_headers[0]; i++)
        if (strcmp(name, c11_headers[i]) == 0) return 1;
    return 0;
}

/* The name of an #include line and whether it is in quotes; 0 if the line is none. */
static int parse_include(const char *line, char name[MOST_NAME], int *quoted)
{
    char mark;
    line += strspn(line, " \t");
    if (sscanf(line, "# include %c%255[^\">]", &mark, name) != 2) return 0;
    *quoted = mark == '"';
    return *quoted || mark == '<';
}

static const char *judge_include(const char *file, const char *name, int quoted)
{
    if (quoted) {
        if (strcmp(name, "clconv.h") == 0 || strncmp(name, "arguments/", 10) == 0) return NULL;
        if (layer_of(name) < 0) return "includes what is no layer";
        return layer_of(name) <= layer_of(file) ? NULL : "includes upward";
    }
    if (strcmp(name, "clblast_c.h") == 0)
        return strcmp(file, "steps/gemm.c") == 0 ? NULL : "includes CLBlast outside steps/gemm.c";
    return is_c11(name) || layer_of(file) == 0 ? NULL : "includes a system header outside base/";
}

static bool is_about_steps(const char *file)
{
    return strncmp(file, "algorithms/", 11) == 0 || strncmp(file, "steps/", 6) == 0;
}

/* The kinds of devices that an algorithm may be for, as folders. */
static const char *const devices[] = {"any", "cpu", "gpu"};

/* Only algorithms lie in folders of a layer. */
static bool lies_in_a_room(const char *file)
{
    if (strchr(strchr(file, '/') + 1, '/') == NULL) return true;
    for (int i = 0; i < 3; i++)
        if (strncmp(file, "algorithms/", 11) == 0 && strncmp(file + 11, devices[i], 3) == 0 &&
            file[14] == '/')
            return true;
    return false;
}

/* Whether a line names a kernel of cl/cpu/ or cl/gpu/ outside of that folder of src/algorithms/. */
static bool names_other_devices(const char *file, const char *line)
{
    for (int i = 1; i < 3; i++) {
        char source[MOST_NAME], folder[MOST_NAME];
        snprintf(source, sizeof source, "\"%s/", devices[i]);
        snprintf(folder, sizeof folder, "algorithms/%s/", devices[i]);
        if (strstr(line, source) != NULL && strncmp(file, folder, strlen(folder)) != 0) return true;
    }
    return false;
}

/* Capacities, rates, and what only a measurement can have told. A range of legal parameters and a bound of memory are none. */
static bool says_a_machine(const char *line)
{
    static const char *const words[] = {"measured", "efficiency", "_per_second", "<< 10", "<< 20"};
    static const char *const others[] = {"= {\"", "_MIB <<", "values[", "MANY_SAMPLES", "machine->"};
    bool is_found = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        is_found = is_found || strstr(line, words[i]) != NULL;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        is_found = is_found && strstr(line, others[i]) == NULL;
    return is_found;
}

/* What is wrong with a line of `file`, a path within src/; NULL: nothing. */
static const char *judge_library(const char *file, const char *line)
{
    char name[MOST_NAME];
    int quoted;
    if (layer_of(file) < 0 || !lies_in_a_room(file)) return "lies in no layer";
    if (strstr(line, "getenv") != NULL && strcmp(file, "base/environment.c") != 0)
        return "reads the environment outside base/environment.c";
    const char *clblast = strstr(line, "CLBlast");
    if (clblast != NULL && strchr("SDGCLT", clblast[7]) != NULL && clblast[7] != '\0' &&
        strcmp(file, "steps/gemm.c") != 0)
        return "calls CLBlast outside steps/gemm.c";
    if (names_other_devices(file, line)) return "names the kernel of devices that it is not for";
    if (is_about_steps(file) && says_a_machine(line)) return "says what belongs to src/machine";
    return parse_include(line, name, &quoted) ? judge_include(file, name, quoted) : NULL;
}

/* Users of the library include what lies beside them, clconv.h and the system's headers. */
static const char *judge_user(const char *file, const char *line)
{
    char name[MOST_NAME];
    int quoted;
    (void)file;
    if (!parse_include(line, name, &quoted) || !quoted) return NULL;
    return strchr(name, '/') != NULL ? "reaches inside the library" : NULL;
}

/* The tool is such a user; its folders see themselves and those before them, main() sees all. */
static const char *judge_tool(const char *file, const char *line)
{
    char name[MOST_NAME];
    int quoted;
    int to = layer_in(tool_layers, file);
    if (to < 0 && strcmp(file, "clconv.c") != 0) return "lies in no folder of the tool";
    if (!parse_include(line, name, &quoted) || !quoted || strcmp(name, "clconv.h") == 0) return NULL;
    int from = layer_in(tool_layers, name);
    if (from < 0) return "reaches outside the tool's folders";
    return to < 0 || from <= to ? NULL : "includes upward";
}

typedef const char *(*judge)(const char *file, const char *line);

static int judge_file(const char *path, const char *file, judge says)
{
    char line[MOST_LINE];
    int faults = 0;
    FILE *source = fopen(path, "r");
    CU_ASSERT_FATAL(source != NULL);
    for (int number = 1; fgets(line, sizeof line, source) != NULL; number++) {
        const char *fault = says(file, line);
        if (fault != NULL) printf("%s:%d: %s\n", path, number, fault);
        faults += fault != NULL;
    }
    fclose(source);
    return faults;
}

/* The number of files that match; those with a fault fail the test. */
static size_t judge_all(const char *pattern, size_t root_length, judge says)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    int faults = 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        faults += judge_file(found.gl_pathv[i], found.gl_pathv[i] + root_length, says);
    CU_ASSERT_EQUAL(faults, 0);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static void test_library(void)
{
    static const char root[] = SOURCE_DIR "/src/";
    size_t length = sizeof root - 1;
    CU_ASSERT(judge_all(SOURCE_DIR "/src/*/*.c", length, judge_library) > 30);
    CU_ASSERT(judge_all(SOURCE_DIR "/src/*/*.h", length, judge_library) > 20);
    CU_ASSERT_EQUAL(judge_all(SOURCE_DIR "/src/*.[ch]", length, judge_library), 0);
    CU_ASSERT(judge_all(SOURCE_DIR "/src/*/*/*.c", length, judge_library) > 20);
    CU_ASSERT_EQUAL(judge_all(SOURCE_DIR "/src/*/*/*.h", length, judge_library), 0);
    CU_ASSERT_EQUAL(judge_all(SOURCE_DIR "/src/*/*/*/*.[ch]", length, judge_library), 0);
}

static int lines_with(const char *path, const char *words)
{
    char line[MOST_LINE];
    int count = 0;
    FILE *source = fopen(path, "r");
    CU_ASSERT_FATAL(source != NULL);
    while (fgets(line, sizeof line, source) != NULL)
        count += strstr(line, words) != NULL;
    fclose(source);
    return count;
}

/* An algorithm says that it is for the devices whose folder its file lies in. */
static void test_devices(void)
{
    static const char *const said[] = {".devices = FOR_ANY", ".devices = FOR_CPU", ".devices = FOR_GPU"};
    size_t files = 0;
    for (int i = 0; i < 3; i++) {
        char pattern[MOST_NAME];
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/src/algorithms/%s/*.c", SOURCE_DIR, devices[i]);
        if (glob(pattern, 0, NULL, &found) != 0) continue;
        for (size_t f = 0; f < found.gl_pathc; f++, files++) {
            int all = lines_with(found.gl_pathv[f], "const algorithm algorithm_"),
                other = lines_with(found.gl_pathv[f], ".devices"),
                own = lines_with(found.gl_pathv[f], said[i]);
            CU_ASSERT(all > 0);
            CU_ASSERT(i == 0 ? other == own : other == all && own == all);
        }
        globfree(&found);
    }
    CU_ASSERT(files > 20);
}

static void test_tool(void)
{
    static const char root[] = SOURCE_DIR "/tools/";
    size_t length = sizeof root - 1;
    CU_ASSERT(judge_all(SOURCE_DIR "/tools/*/*.[ch]", length, judge_tool) > 40);
    CU_ASSERT_EQUAL(judge_all(SOURCE_DIR "/tools/*.[ch]", length, judge_tool), 1);
    CU_ASSERT_EQUAL(judge_all(SOURCE_DIR "/tools/*/*/*.[ch]", length, judge_tool), 0);
}

static void test_users(void)
{
    size_t length = strlen(SOURCE_DIR) + 1;
    CU_ASSERT(judge_all(SOURCE_DIR "/tests/examples/*.c", length, judge_user) >= 2);
    judge_all(SOURCE_DIR "/bench/*.[ch]", length, judge_user);
}

/* Every header of the library is named with its folder, which users may not write. */
static void test_names(void)
{
    glob_t found;
    CU_ASSERT_FATAL(glob(SOURCE_DIR "/src/*/*.h", 0, NULL, &found) == 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char line[MOST_LINE];
        snprintf(line, sizeof line, "#include \"%s\"", found.gl_pathv[i] + strlen(SOURCE_DIR "/src/"));
        CU_ASSERT_PTR_NOT_NULL(judge_user("tests/examples/train.c", line));
        CU_ASSERT_PTR_NOT_NULL(judge_tool("clconv.c", line));
    }
    globfree(&found);
}

/* The judges see what they are there for. */
static void test_judges(void)
{
    const struct {
        const char *file, *line;
        int fault;
    } cases[] = {
        {"steps/pack.c", "#include \"steps/pack.h\"", 0},
        {"steps/pack.c", "#include \"base/arith.h\"", 0},
        {"steps/pack.c", "#include \"clconv.h\"", 0},
        {"steps/pack.c", "#include \"arguments/pad.clh\"", 0},
        {"steps/pack.c", "#include <stdlib.h>", 0},
        {"steps/pack.c", "#include \"plan/plan.h\"", 1},
        {"steps/pack.c", "  #  include \"parameters/parameters.h\"", 1},
        {"base/text.c", "#include \"problem/geometry.h\"", 1},
        {"api/plan.c", "#include \"../plan/plan.h\"", 1},
        {"api/plan.c", "#include \"plan.h\"", 1},
        {"api/plan.c", "#include <unistd.h>", 1},
        {"base/system.c", "#include <unistd.h>", 0},
        {"base/environment.c", "getenv(name)", 0},
        {"base/system.c", "getenv(\"HOME\")", 1},
        {"steps/gemm.c", "#include <clblast_c.h>", 0},
        {"algorithms/im2col_gemm.c", "#include <clblast_c.h>", 1},
        {"algorithms/im2col_gemm.c", "CLBlastSgemm(m, n, k)", 1},
        {"algorithms/im2col_gemm.c", "/* by CLBlast's GEMM */", 0},
        {"winograd/tile.c", "int x;", 1},
        {"algorithms/cpu/patch.c", "int x;", 0},
        {"algorithms/fpga/patch.c", "int x;", 1},
        {"steps/any/pack.c", "int x;", 1},
        {"algorithms/cpu/patch.c", "kernel_step(\"patch\", \"cpu/patch.cl\")", 0},
        {"algorithms/cpu/patch.c", "kernel_step(\"pad\", \"any/pad.cl\")", 0},
        {"algorithms/any/direct.c", "kernel_step(\"patch\", \"cpu/patch.cl\")", 1},
        {"algorithms/gpu/direct.c", "kernel_step(\"patch\", \"cpu/patch.cl\")", 1},
        {"steps/pad.c", "kernel_step(\"patch\", \"cpu/patch.cl\")", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(judge_library(cases[i].file, cases[i].line) != NULL, cases[i].fault);
    CU_ASSERT_PTR_NULL(judge_user("tests/examples/train.c", "#include \"clconv.h\""));
    CU_ASSERT_PTR_NULL(judge_user("tests/examples/train.c", "#include <sys/stat.h>"));
    CU_ASSERT_PTR_NOT_NULL(judge_user("tests/examples/train.c", "#include \"base/text.h\""));
    CU_ASSERT_PTR_NOT_NULL(judge_user("tests/examples/train.c", "#include \"../src/plan/plan.h\""));
}

static void test_tool_judge(void)
{
    CU_ASSERT_PTR_NULL(judge_tool("files/npy.c", "#include \"clconv.h\""));
    CU_ASSERT_PTR_NULL(judge_tool("files/npy.c", "#include <sys/stat.h>"));
    CU_ASSERT_PTR_NULL(judge_tool("files/npy.c", "#include \"files/npy.h\""));
    CU_ASSERT_PTR_NULL(judge_tool("files/npy.c", "#include \"common/tool.h\""));
    CU_ASSERT_PTR_NULL(judge_tool("clconv.c", "#include \"commands/commands.h\""));
    CU_ASSERT_PTR_NOT_NULL(judge_tool("files/npy.c", "#include \"options/options.h\""));
    CU_ASSERT_PTR_NOT_NULL(judge_tool("files/npy.c", "#include \"npy.h\""));
    CU_ASSERT_PTR_NOT_NULL(judge_tool("npy.c", "int x;"));
    CU_ASSERT_PTR_NOT_NULL(judge_tool("files/npy.c", "#include \"base/text.h\""));
    CU_ASSERT_PTR_NOT_NULL(judge_tool("files/npy.c", "#include \"../src/plan/plan.h\""));
}

const char test_suite_name[] = "layers";
const test_entry test_suite[] = {
    {"the library's folders", test_library},
    {"what algorithms are for", test_devices},
    {"the tool's folders", test_tool},
    {"the examples", test_users},
    {"each of the library's headers is out of reach", test_names},
    {"what a fault is", test_judges},
    {"what a fault of the tool is", test_tool_judge},
    {NULL, NULL},
};
