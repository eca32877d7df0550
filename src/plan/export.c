/* See export.h. */
#include "plan/export.h"

#include "base/error.h"
#include "base/whole_file.h"
#include "opencl/kernel_line.h"
#include "opencl/program.h"
#include "opencl/sources.h"
#include "plan/missing.h"
#include "steps/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A program that plans need. */
typedef struct needed {
    const kernel_launch *launch; /* one that needs it */
    text kernels, problems;      /* lines of a manifest, each once */
    text code;                   /* its source, expanded */
    char sum[CHECKSUM_TEXT];
    bool is_single; /* all of its kernels run as single work-items */
} needed;

typedef struct needed_list {
    needed *programs;
    size_t count, room;
    bool failed; /* memory is out */
} needed_list;

static void list_release(needed_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        text_release(&list->programs[i].kernels);
        text_release(&list->programs[i].problems);
        text_release(&list->programs[i].code);
    }
    free(list->programs);
}

/* NULL if memory is out. */
static needed *find_or_add(needed_list *list, const kernel_launch *launch)
{
    for (size_t i = 0; i < list->count; i++)
        if (launch_same_program(list->programs[i].launch, launch)) return &list->programs[i];
    if (list->count == list->room) {
        size_t room = 2 * list->room + 16;
        needed *grown = realloc(list->programs, room * sizeof *grown);
        if (grown == NULL) return NULL;
        list->programs = grown;
        list->room = room;
    }
    needed *made = &list->programs[list->count++];
    *made = (needed){.launch = launch, .is_single = true};
    return made;
}

static void add_line(text *lines, const char *line)
{
    const char *at = lines->data != NULL ? strstr(lines->data, line) : NULL;
    if (at == NULL || (at != lines->data && at[-1] != '\n')) text_append(lines, "%s", line);
}

static void add_step(needed_list *list, const step *s, const char *problem)
{
    char line[256];
    if (s->kind != STEP_KERNEL || list->failed) return;
    const size_t *local = s->launch.local;
    needed *n = find_or_add(list, &s->launch);
    if (n != NULL) {
        snprintf(line, sizeof line, "kernel %.127s %zu %zu %zu\n", s->launch.kernel, local[0], local[1],
                 local[2]);
        add_line(&n->kernels, line);
        add_line(&n->problems, problem);
        n->is_single = n->is_single && local[0] * local[1] * local[2] == 1;
    }
    list->failed = n == NULL || n->kernels.failed || n->problems.failed;
}

static void add_plan(needed_list *list, const clconv_plan *plan)
{
    text problem = {0};
    text_append(&problem, "problem ");
    missing_append_problem(plan->op, &plan->problem, &problem);
    text_append(&problem, "\n");
    list->failed = list->failed || problem.failed;
    for (size_t i = 0; i < plan->recipe.pack_count && !list->failed; i++)
        add_step(list, &plan->recipe.pack[i], problem.data);
    for (size_t i = 0; i < plan->recipe.run_count && !list->failed; i++)
        add_step(list, &plan->recipe.run[i], problem.data);
    text_release(&problem);
}

static clconv_status no_memory(clconv_error *err)
{
    return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the programs of plans");
}

/* What a bundle cannot hold. */
static clconv_status check_plan(const clconv_plan *plan, clconv_error *err)
{
    for (size_t i = 0; i < plan->recipe.run_count; i++)
        if (plan->recipe.run[i].kind == STEP_GEMM)
            return error_set(err, CLCONV_UNSUPPORTED,
                             "algorithm '%s' uses CLBlast, whose programs cannot be exported; "
                             "clconv_context_options.exportable plans without it",
                             plan->algorithm->name);
    return CLCONV_SUCCESS;
}

static clconv_status gather(clconv_plan *const *plans, size_t count, needed_list *list, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    for (size_t i = 0; i < count && status == CLCONV_SUCCESS; i++) {
        status = check_plan(plans[i], err);
        if (status == CLCONV_SUCCESS) add_plan(list, plans[i]);
    }
    if (status == CLCONV_SUCCESS && list->failed) status = no_memory(err);
    for (size_t i = 0; i < list->count && status == CLCONV_SUCCESS; i++) {
        needed *n = &list->programs[i];
        status = source_expand(n->launch->source, &n->code, err);
        if (status == CLCONV_SUCCESS) checksum_text(n->code.data, n->code.length, n->sum);
    }
    return status;
}

/* All of a program's lines but that of its binary. */
static void describe(const needed *n, const char *kernels, text *out)
{
    text_append(out, "\nprogram %s\nsource-hash %s\noptions %s\n%s%s", n->launch->source, n->sum,
                n->launch->options, n->problems.data, kernels);
}

static clconv_status save(const char *path, byte_span bytes, clconv_error *err)
{
    char why[WHOLE_FILE_WHY];
    if (whole_file_write(path, bytes, why)) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_FILE_FAILED, "'%.400s' cannot be written: %s", path, why);
}

static clconv_status fill_bundle(runtime *rt, const needed_list *list, text *manifest, text *content,
                                 clconv_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const needed *n = &list->programs[i];
        size_t start = content->length;
        if (!program_binary(rt, n->launch->source, n->launch->options, content))
            return error_set(err, CLCONV_UNSUPPORTED, "the driver gives no binary of cl/%s %s",
                             n->launch->source, n->launch->options);
        text binary = {0}; /* it may be the same as an earlier one's */
        describe(n, n->kernels.data, manifest);
        bundle_append_binary(&binary, (byte_span){content->data + start, content->length - start});
        if (!binary.failed && strstr(manifest->data, binary.data) != NULL) content->length = start;
        text_append(manifest, "%s", binary.failed ? "" : binary.data);
        manifest->failed = manifest->failed || binary.failed;
        text_release(&binary);
    }
    return manifest->failed || content->failed ? no_memory(err) : CLCONV_SUCCESS;
}

clconv_status export_bundle(clconv_plan *const *plans, size_t count, const char *path, clconv_error *err)
{
    runtime *rt = &plans[0]->context->rt;
    needed_list list = {NULL};
    text manifest = {0}, content = {0};
    size_t size = 0;
    char *bytes = NULL, *device = cache_device(&rt->info, rt->platform->options);
    clconv_status status = device != NULL ? gather(plans, count, &list, err) : no_memory(err);
    if (status != CLCONV_SUCCESS) goto done;
    text_append(&manifest, BUNDLE_FIRST_LINE "\n%s", device);
    status = fill_bundle(rt, &list, &manifest, &content, err);
    if (status != CLCONV_SUCCESS) goto done;
    bytes = entry_format((byte_span){manifest.data, manifest.length},
                         (byte_span){content.data, content.length}, &size);
    status = bytes != NULL ? save(path, (byte_span){bytes, size}, err) : no_memory(err);
done:
    free(bytes);
    free(device);
    text_release(&manifest);
    text_release(&content);
    list_release(&list);
    return status;
}

/* "direct_1a2b3c4d" for cl/any/direct.cl: another for other options or another version of the source. */
static void name_of(const needed *n, const char *stem, text *out)
{
    char sum[CHECKSUM_TEXT];
    text identity = {0};
    text_append(&identity, "%s %s", n->sum, n->launch->options);
    checksum_text(identity.failed ? "" : identity.data, identity.length, sum);
    text_append(out, "%s_%.8s", stem, sum);
    out->failed = out->failed || identity.failed;
    text_release(&identity);
}

/* Options " -DNAME=VALUE -DNAME" as lines of a source. */
static void define_options(const char *options, text *out)
{
    for (const char *at = options; (at = strstr(at, "-D")) != NULL;) {
        at += 2;
        size_t length = strcspn(at, " "), name = strcspn(at, "= ");
        text_append(out, "#define %.*s %.*s\n", (int)name, at, name < length ? (int)(length - name - 1) : 1,
                    name < length ? at + name + 1 : "1");
        at += length;
    }
}

/* Kernels of all programs may be in one binary, so each has a name of its own. Lines of a manifest with it go to `renamed`. */
static void define_kernels(const needed *n, text *source, text *renamed)
{
    kernel_line k;
    static const char start[] = "kernel ";
    for (const char *line = n->kernels.data; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (!kernel_line_parse(line + sizeof start - 1, &k)) continue;
        text name = {0};
        name_of(n, k.name, &name);
        text define = {0};
        text_append(&define, "#define %s %s\n", k.name, name.failed ? "" : name.data);
        if (!define.failed) add_line(source, define.data);
        text_append(renamed, "%.*s %s\n", (int)strcspn(line, "\n"), line, name.failed ? "" : name.data);
        renamed->failed = renamed->failed || define.failed || name.failed;
        text_release(&define);
        text_release(&name);
    }
}

static void write_source_text(const needed *n, text *source, text *renamed)
{
    text_append(source,
                "/* cl/%s of clconv %s with all that it includes, for the options %s */\n"
                "#define channel channel_ /* a keyword of compilers for FPGAs */\n",
                n->launch->source, clconv_version(), n->launch->options);
    define_options(n->launch->options, source);
    define_kernels(n, source, renamed);
    if (n->is_single)
        text_append(source, "#define kernel __kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n");
    text_append_bytes(source, n->code.data, n->code.length);
}

/* The name of its file without the ending. */
static void file_name_of(const needed *n, text *out)
{
    const char *slash = strrchr(n->launch->source, '/');
    char stem[128];
    snprintf(stem, sizeof stem, "%s", slash != NULL ? slash + 1 : n->launch->source);
    stem[strcspn(stem, ".")] = '\0';
    name_of(n, stem, out);
}

static clconv_status emit_program(const needed *n, const char *folder, text *manifest, clconv_error *err)
{
    text path = {0}, source = {0}, renamed = {0};
    text_append(&path, "%s/", folder);
    file_name_of(n, &path);
    text_append(&path, ".cl");
    write_source_text(n, &source, &renamed);
    if (!renamed.failed) describe(n, renamed.data, manifest);
    text_append(manifest, "file kernels.bin\n");
    bool failed = path.failed || source.failed || renamed.failed || manifest->failed;
    clconv_status status =
        failed ? no_memory(err) : save(path.data, (byte_span){source.data, source.length}, err);
    text_release(&path);
    text_release(&source);
    text_release(&renamed);
    return status;
}

clconv_status export_sources(clconv_plan *const *plans, size_t count, const char *folder, clconv_error *err)
{
    const runtime *rt = &plans[0]->context->rt;
    const bool is_there = rt->context != NULL;
    char why[WHOLE_FILE_WHY];
    needed_list list = {NULL};
    text manifest = {0}, path = {0};
    clconv_status status = gather(plans, count, &list, err);
    if (status == CLCONV_SUCCESS && !whole_file_make_folder(folder, why))
        status = error_set(err, CLCONV_FILE_FAILED, "the folder '%.400s' cannot be made: %s", folder, why);
    text_append(&manifest, BUNDLE_FIRST_LINE "\n%splatform %s\ndevice %s\n",
                is_there ? "" : "# as `clconv devices --json` names the device:\n",
                is_there ? rt->info.platform_name : "PLATFORM", is_there ? rt->info.name : "DEVICE");
    for (size_t i = 0; i < list.count && status == CLCONV_SUCCESS; i++)
        status = emit_program(&list.programs[i], folder, &manifest, err);
    text_append(&path, "%s/manifest", folder);
    if (status == CLCONV_SUCCESS && (path.failed || manifest.failed)) status = no_memory(err);
    if (status == CLCONV_SUCCESS) status = save(path.data, (byte_span){manifest.data, manifest.length}, err);
    text_release(&path);
    text_release(&manifest);
    list_release(&list);
    return status;
}

clconv_status export_pack(const char *manifest, const char *path, clconv_error *err)
{
    enum { MOST_MANIFEST = 64 << 20 };
    char why[BUNDLE_WHY];
    size_t size = 0;
    text content = {0}, folder = {0};
    char *packed = NULL, *bytes = whole_file_read(manifest, MOST_MANIFEST, &size, why);
    clconv_status status = CLCONV_SUCCESS;
    const char *slash = strrchr(manifest, '/');
    if (bytes == NULL) {
        status =
            error_set(err, CLCONV_FILE_FAILED, "the manifest '%.400s' cannot be read: %s", manifest, why);
        goto done;
    }
    text_append(&content, "%s", "");
    text_append_bytes(&content, bytes, size);
    text_append(&folder, "%.*s", slash != NULL ? (int)(slash - manifest) : 1, slash != NULL ? manifest : ".");
    if (content.failed || folder.failed) {
        status = no_memory(err);
        goto done;
    }
    packed = bundle_pack(content.data, folder.length > 0 ? folder.data : "/", &size, why);
    status = packed != NULL ? save(path, (byte_span){packed, size}, err)
                            : error_set(err, CLCONV_FILE_FAILED,
                                        "the manifest '%.300s' cannot be packed: %.600s", manifest, why);
done:
    free(packed);
    free(bytes);
    text_release(&content);
    text_release(&folder);
    return status;
}
