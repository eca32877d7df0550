/* Kernel sources: what is embedded is what lies in cl/, includes are replaced once each, #line keeps a
 * compiler's messages on file and line, and CLCONV_KERNEL_DIR takes files from a folder. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include "opencl/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/clconv-sources-XXXXXX";

static void path_of(const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *content)
{
    char path[256];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_FATAL(file != NULL);
    fputs(content, file);
    fclose(file);
}

static void remove_file(const char *name)
{
    char path[256];
    path_of(name, path);
    CU_ASSERT_EQUAL(remove(path), 0);
}

static void open_folder(void)
{
    strcpy(folder, "/tmp/clconv-sources-XXXXXX");
    CU_ASSERT_FATAL(mkdtemp(folder) != NULL);
    CU_ASSERT_EQUAL_FATAL(setenv("CLCONV_KERNEL_DIR", folder, 1), 0);
}

static void close_folder(void)
{
    unsetenv("CLCONV_KERNEL_DIR");
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static int file_equals(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    size_t at = 0;
    int c;
    while ((c = fgetc(file)) != EOF && at < size && (unsigned char)bytes[at] == c)
        at++;
    fclose(file);
    return c == EOF && at == size;
}

static void test_embedded(void)
{
    int count = 0;
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++, count++) {
        char path[512];
        snprintf(path, sizeof path, "%s/cl/%s", SOURCE_DIR, s->name);
        CU_ASSERT(file_equals(path, s->bytes, s->size));
    }
    CU_ASSERT(count > 5);
}

/* Every line of an expansion is the line that the #line directives say it is. */
static void check_lines(const char *expanded)
{
    char name[128] = "";
    int number = 0, wrong = 0;
    for (const char *line = expanded; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        if (sscanf(line, "#line %d \"cl/%127[^\"]\"", &number, name) == 2) {
            number--;
        } else {
            const embedded_source *s = embedded_sources;
            while (s->name != NULL && strcmp(s->name, name) != 0)
                s++;
            const char *right = s->name != NULL ? s->bytes : "";
            for (int i = 1; i < number; i++)
                right += strcspn(right, "\n") + 1;
            wrong += strncmp(line, right, length) != 0 || right[length] != '\n';
        }
        line += length + (line[length] == '\n');
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_lines(void)
{
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++) {
        text out = {0};
        CU_ASSERT_EQUAL(source_expand(s->name, &out, NULL), CLCONV_SUCCESS);
        CU_ASSERT_FATAL(out.data != NULL);
        CU_ASSERT_PTR_NULL(strstr(out.data, "#include \""));
        check_lines(out.data);
        text_release(&out);
    }
}

static void test_includes(void)
{
    text out = {0};
    open_folder();
    write_file("a.cl", "one\n#include \"b.clh\"\ntwo\n#include \"c.clh\"\nthree");
    write_file("b.clh", "#include \"c.clh\"\nof b\n");
    write_file("c.clh", "#include <not.ours>\n  #include \"a.cl\"\n#include \"a.cl\"\n");
    CU_ASSERT_EQUAL(source_expand("a.cl", &out, NULL), CLCONV_SUCCESS);
    CU_ASSERT_FATAL(out.data != NULL);
    CU_ASSERT_STRING_EQUAL(out.data, "#line 1 \"cl/a.cl\"\n"
                                     "one\n"
                                     "#line 1 \"cl/b.clh\"\n"
                                     "#line 1 \"cl/c.clh\"\n"
                                     "#include <not.ours>\n"
                                     "  #include \"a.cl\"\n"
                                     "#line 4 \"cl/c.clh\"\n"
                                     "#line 2 \"cl/b.clh\"\n"
                                     "of b\n"
                                     "#line 3 \"cl/a.cl\"\n"
                                     "two\n"
                                     "#line 5 \"cl/a.cl\"\n"
                                     "three\n");
    text_release(&out);
    remove_file("a.cl");
    remove_file("b.clh");
    remove_file("c.clh");
    close_folder();
}

static void refuse(const char *name, clconv_status status, const char *message)
{
    text out = {0};
    clconv_error err = {.message = ""};
    CU_ASSERT_EQUAL(source_expand(name, &out, &err), status);
    CU_ASSERT_STRING_EQUAL(err.message, message);
    text_release(&out);
}

static void test_refusals(void)
{
    char message[512];
    refuse("no.cl", CLCONV_INTERNAL, "no kernel source is named cl/no.cl");
    open_folder();
    write_file("a.cl", "#include \"gone.clh\"\n");
    snprintf(message, sizeof message, "CLCONV_KERNEL_DIR is %s; it has no readable file any/direct.cl",
             folder);
    refuse("any/direct.cl", CLCONV_FILE_FAILED, message);
    snprintf(message, sizeof message, "CLCONV_KERNEL_DIR is %s; it has no readable file gone.clh", folder);
    refuse("a.cl", CLCONV_FILE_FAILED, message);
    snprintf(message, sizeof message, "cannot read %s/.", folder);
    refuse(".", CLCONV_FILE_FAILED, message);
    remove_file("a.cl");
    close_folder();
}

/* More files than an expansion can hold are refused, not left out. */
static void test_many_includes(void)
{
    enum { MOST = 32 };
    char content[1024] = "", name[16], message[64];
    open_folder();
    for (int i = 0; i < MOST + 4; i++) {
        snprintf(name, sizeof name, "%d.clh", i);
        write_file(name, "\n");
        size_t used = strlen(content);
        snprintf(content + used, sizeof content - used, "#include \"%s\"\n", name);
    }
    write_file("all.cl", content);
    snprintf(message, sizeof message, "cl/31.clh is beyond the files of an expansion; the most is 32");
    refuse("all.cl", CLCONV_INTERNAL, message);
    for (int i = 0; i < MOST + 4; i++) {
        snprintf(name, sizeof name, "%d.clh", i);
        remove_file(name);
    }
    remove_file("all.cl");
    close_folder();
}

const char test_suite_name[] = "sources";
const test_entry test_suite[] = {
    {"what is embedded is cl/", test_embedded},
    {"#line tells file and line of every line", test_lines},
    {"includes are replaced, once each", test_includes},
    {"refusals", test_refusals},
    {"too many includes", test_many_includes},
    {NULL, NULL},
};
