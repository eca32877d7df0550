/* Reading and replacing files of tuning data: see file.h. */
#include "tuning/file.h"

#include "base/environment.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const long longest = 64L << 20; /* bytes */

char *tuning_own_path(char why[TUNING_WHY])
{
    text path = {0};
    const char *own = environment_get("CLCONV_TUNING"), *home = environment_get("HOME");
    const char *shared = environment_get("XDG_DATA_HOME");
    const bool is_off = own != NULL && strcmp(own, "off") == 0;
    if (process_is_privileged())
        snprintf(why, TUNING_WHY, "the process has privileges that its user has not");
    else if (is_off)
        snprintf(why, TUNING_WHY, "CLCONV_TUNING is off");
    else if (own != NULL)
        text_append(&path, "%s", own);
    else if (shared != NULL && shared[0] == '/') /* a relative one is to be ignored, says its specification */
        text_append(&path, "%s/clconv/tuning.txt", shared);
    else if (home != NULL)
        text_append(&path, "%s/.local/share/clconv/tuning.txt", home);
    else
        snprintf(why, TUNING_WHY, "neither CLCONV_TUNING nor HOME is set");
    if (path.failed) snprintf(why, TUNING_WHY, "no memory");
    if (path.length > 0 && !path.failed) return path.data;
    text_release(&path);
    return NULL;
}

static clconv_status fail(const char *path, const char *what, clconv_error *err)
{
    return error_set(err, CLCONV_FILE_FAILED, "tuning data '%s': %s: %s", path, what, strerror(errno));
}

static clconv_status read_all(FILE *file, const char *path, text *bytes, clconv_error *err)
{
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0 && bytes->length < (size_t)longest)
        text_append_bytes(bytes, piece, got);
    if (ferror(file) != 0) return fail(path, "cannot be read", err);
    if (bytes->failed) return error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for tuning data");
    if (bytes->length < (size_t)longest) return CLCONV_SUCCESS;
    return error_set(err, CLCONV_FILE_FAILED, "tuning data '%s': has more than %ld bytes", path, longest);
}

clconv_status tuning_load(const char *path, tuning_data *data, bool *is_absent, clconv_error *err)
{
    text bytes = {0};
    FILE *file = fopen(path, "rb");
    *is_absent = file == NULL && errno == ENOENT;
    if (file == NULL) return fail(path, "cannot be opened", err);
    clconv_status status = read_all(file, path, &bytes, err);
    if (status == CLCONV_SUCCESS)
        status = tuning_parse((byte_span){bytes.data, bytes.length}, path, data, err);
    text_release(&bytes);
    fclose(file);
    return status;
}

/* A path's folder, opened, and the name in it. */
static int open_folder(const char *path, bool makes, const char **name, clconv_error *err)
{
    text folder = {0};
    char why[FOLDER_WHY] = "no memory";
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL)
        text_append(&folder, ".");
    else
        text_append_bytes(&folder, path, slash > path ? (size_t)(slash - path) : 1);
    int opened = folder.failed ? -1 : folder_open_any(folder.data, makes, why);
    text_release(&folder);
    if (opened < 0) error_set(err, CLCONV_FILE_FAILED, "tuning data '%s': %s", path, why);
    return opened;
}

/* What a file becomes: its own entries and these, or these alone. */
static clconv_status compose(const char *path, const tuning_data *data, bool replaces, text *bytes,
                             clconv_error *err)
{
    bool is_absent = true;
    tuning_data all = {NULL};
    clconv_status status = replaces ? CLCONV_SUCCESS : tuning_load(path, &all, &is_absent, err);
    if (is_absent) status = CLCONV_SUCCESS;
    if (status == CLCONV_SUCCESS) status = tuning_merge(&all, data, err);
    if (status == CLCONV_SUCCESS) tuning_format(&all, !replaces, bytes);
    if (status == CLCONV_SUCCESS && bytes->failed)
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for tuning data");
    tuning_release(&all);
    return status;
}

static clconv_status write_file(const char *path, const tuning_data *data, bool replaces, clconv_error *err)
{
    static const double patience = 10; /* seconds, while other processes write */
    const char *name;
    text bytes = {0}, temporary = {0};
    clconv_status status = CLCONV_SUCCESS;
    int file = -1, folder = open_folder(path, !replaces, &name, err);
    if (folder < 0) return CLCONV_FILE_FAILED;
    text_append(&temporary, "%s.tmp", name);
    if (!temporary.failed) file = folder_lock_within(folder, temporary.data, patience);
    if (file < 0) {
        status =
            error_set(err, CLCONV_FILE_FAILED,
                      "tuning data '%s': another process writes it, or its folder cannot be written", path);
        goto done;
    }
    status = compose(path, data, replaces, &bytes, err);
    if (status == CLCONV_SUCCESS &&
        !folder_commit(folder, file, temporary.data, name, (byte_span){bytes.data, bytes.length}, true))
        status = fail(path, "cannot be written", err);
    if (status != CLCONV_SUCCESS) folder_remove(folder, temporary.data);
done:
    if (file >= 0) folder_close(file);
    folder_close(folder);
    text_release(&temporary);
    text_release(&bytes);
    return status;
}

clconv_status tuning_update(const char *path, const tuning_data *data, clconv_error *err)
{
    return write_file(path, data, false, err);
}

clconv_status tuning_export(const char *path, const tuning_data *data, clconv_error *err)
{
    return write_file(path, data, true, err);
}
