/* What plans build: see programs.h. */
#define _XOPEN_SOURCE 700
#include "programs.h"

#include "harness.h"
#include "opencl/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void text_set_add(text_set *set, const char *text)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->texts[i], text) == 0) return;
    CU_ASSERT_FATAL(set->count < sizeof set->texts / sizeof set->texts[0]);
    set->texts[set->count++] = strdup(text);
}

static void add_step(text_set *set, const char *source, const char *kernel, const char *options)
{
    char key[STEP_OPTIONS + 256];
    snprintf(key, sizeof key, "%s %s %s", source, kernel, options);
    text_set_add(set, key);
}

static void add_steps(const step *steps, size_t count, text_set *programs, text_set *kernels)
{
    for (size_t i = 0; i < count; i++) {
        const kernel_launch *l = &steps[i].launch;
        if (steps[i].kind != STEP_KERNEL) continue;
        add_step(programs, l->source, "", l->options);
        add_step(kernels, l->source, l->kernel, l->options);
    }
}

void programs_add(const clconv_plan *plan, text_set *programs, text_set *kernels)
{
    add_steps(plan->recipe.pack, plan->recipe.pack_count, programs, kernels);
    add_steps(plan->recipe.run, plan->recipe.run_count, programs, kernels);
}

void text_set_release(text_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->texts[i]);
    *set = (text_set){{NULL}, 0};
}

static void write_source(const char *folder, const char *name, const char *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_FATAL(file != NULL);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

void kernel_folder_open(const char *name, const char *content)
{
    static const char *const parts[] = {"any", "arguments", "common", "cpu", "gpu"};
    char folder[] = "/tmp/clconv-test-XXXXXX", path[512];
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    }
    bool is_replaced = false;
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++) {
        bool is_it = strcmp(s->name, name) == 0;
        write_source(folder, s->name, is_it ? content : s->bytes, is_it ? strlen(content) : s->size);
        is_replaced = is_replaced || is_it;
    }
    CU_ASSERT(is_replaced);
    CU_ASSERT_EQUAL_FATAL(setenv("CLCONV_KERNEL_DIR", folder, 1), 0);
}

void kernel_folder_close(void)
{
    const char *folder = getenv("CLCONV_KERNEL_DIR");
    CU_ASSERT_FATAL(folder != NULL);
    test_remove_folder(folder);
    unsetenv("CLCONV_KERNEL_DIR");
}
