/* Whether a folder can be written, on paths that exist, that could be made and that never could; and that the
 * question leaves nothing behind. A user who may do everything makes a difference of permissions vain, so what
 * cannot be made lies below a file or in /proc. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* mkdtemp() */
#include "base/system.h"
#include "harness.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/clconv-system-XXXXXX";

static bool can_write(const char *name)
{
    char path[8000];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return system_can_write_folder(path);
}

static size_t count_all(void)
{
    char pattern[256];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", root);
    size_t count = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void test_folders(void)
{
    char file[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    snprintf(file, sizeof file, "%s/file", root);
    FILE *made = fopen(file, "w");
    CU_ASSERT_FATAL(made != NULL && fclose(made) == 0);
    static const char *const can[] = {"", "/", "new", "new/", "new/deeper//and/deeper"};
    for (size_t i = 0; i < sizeof can / sizeof can[0]; i++)
        CU_ASSERT(can_write(can[i]));
    static const char *const cannot[] = {"file", "file/", "file/x", "file/x/y/", "file//x"};
    for (size_t i = 0; i < sizeof cannot / sizeof cannot[0]; i++)
        CU_ASSERT_FALSE(can_write(cannot[i]));
    CU_ASSERT_EQUAL(count_all(), 1);
    CU_ASSERT(chdir(root) == 0 && system_can_write_folder("new") && system_can_write_folder("new/x"));
    CU_ASSERT_FALSE(system_can_write_folder("file/x"));
    CU_ASSERT_EQUAL(count_all(), 1);
    CU_ASSERT(chdir("/") == 0 && unlink(file) == 0 && rmdir(root) == 0);
}

static void test_elsewhere(void)
{
    static char endless[6000];
    memset(endless, 'x', sizeof endless - 1);
    endless[0] = '/';
    CU_ASSERT_FALSE(system_can_write_folder(endless));
    CU_ASSERT_FALSE(system_can_write_folder("/dev/null/x"));
    if (access("/proc/self", F_OK) != 0) return;
    CU_ASSERT_FALSE(system_can_write_folder("/proc"));
    CU_ASSERT_FALSE(system_can_write_folder("/proc/nope/x"));
}

const char test_suite_name[] = "system";
const test_entry test_suite[] = {
    {"folders that can be written, and that cannot", test_folders},
    {"folders of the system", test_elsewhere},
    {NULL, NULL},
};
