/* Outputs: all or none. After an error, or a signal, the folder is as it was. */
#include "files/outputs.h"
#include "harness.h"
#include "scratch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char test_suite_name[] = "tools/outputs";

/* Whether temporary files have names: each test is run for both. */
static bool named;

static outputs *create(void)
{
    outputs *set = outputs_create();
    if (named) outputs_name_all(set);
    return set;
}

static void have_names(void)
{
    named = true;
}

static bool holds(const char *path, const char *text)
{
    size_t count = 0;
    char *bytes = scratch_load(path, &count);
    bool same = bytes != NULL && strcmp(bytes, text) == 0;
    free(bytes);
    return same;
}

static int claim_quietly(scratch *s, outputs *set, const char *name, const char *path)
{
    scratch_hush(s);
    int status = outputs_claim(set, name, path);
    scratch_listen(s);
    return status;
}

static int commit_quietly(scratch *s, outputs *set)
{
    scratch_hush(s);
    int status = outputs_commit(set);
    scratch_listen(s);
    return status;
}

static void write_one(outputs *set, const char *path)
{
    tensor t = {0};
    CU_ASSERT_EQUAL(tensor_create(CLCONV_FLOAT32, 1, (int64_t[]){1}, &t), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_write_tensor(set, path, &t), EXIT_DONE);
    tensor_release(&t);
}

static void a_commit_puts_all_in_place_and_nothing_else(void)
{
    scratch s;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3), *b = scratch_path(&s, "b.npy");
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--a", a), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_claim(set, "--b", b), EXIT_DONE);
    write_one(set, a);
    write_one(set, b);
    CU_ASSERT(holds(a, "old"));
    CU_ASSERT_EQUAL(access(b, F_OK), -1);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    for (int i = 0; i < 2; i++) {
        tensor t = {0};
        CU_ASSERT_EQUAL(tensor_read("--input", i == 0 ? a : b, TENSOR_DTYPE_STORED, &t), EXIT_DONE);
        CU_ASSERT_EQUAL(t.elements, 1);
        tensor_release(&t);
    }
    scratch_close(&s);
}

static void without_a_commit_nothing_changes(void)
{
    scratch s;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3), *b = scratch_path(&s, "b.npy");
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--a", a), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_claim(set, "--b", b), EXIT_DONE);
    write_one(set, a);
    CU_ASSERT_EQUAL(scratch_count(&s), named ? 3 : 1);
    outputs_release(set);
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    CU_ASSERT(holds(a, "old"));
    scratch_close(&s);
}

static void a_commit_that_fails_is_undone(void)
{
    scratch s;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3), *b = scratch_path(&s, "b.npy");
    const char *c = scratch_path(&s, "c.npy");
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--a", a), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_claim(set, "--b", b), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_claim(set, "--c", c), EXIT_DONE);
    write_one(set, a);
    write_one(set, b);
    write_one(set, c);
    CU_ASSERT_EQUAL(mkdir(c, 0777), 0); /* a file cannot be renamed over it */
    CU_ASSERT_EQUAL(commit_quietly(&s, set), EXIT_FAILED);
    CU_ASSERT(scratch_one_error(&s, "--c: cannot write"));
    outputs_release(set);
    CU_ASSERT(holds(a, "old"));
    CU_ASSERT_EQUAL(access(b, F_OK), -1);
    CU_ASSERT_EQUAL(scratch_count(&s), 2); /* a.npy and the folder */
    scratch_close(&s);
}

static void claims_are_checked_at_once(void)
{
    static const struct {
        const char *path, *part;
        int status;
    } cases[] = {{"y.txt", "unknown ending", EXIT_WRONG_USE},
                 {"y.png", "unknown ending", EXIT_WRONG_USE},
                 {"", "unknown ending", EXIT_WRONG_USE},
                 {"nothing/y.npy", "No such file", EXIT_FAILED},
                 {"folder.npy", "is a directory", EXIT_FAILED},
                 {"a.npy/y.npy", "Not a directory", EXIT_FAILED},
                 {"./a.npy", "already the output of --a", EXIT_WRONG_USE}};
    scratch s;
    scratch_open(&s);
    scratch_file(&s, "a.npy", "old", 3);
    CU_ASSERT_EQUAL(mkdir(scratch_path(&s, "folder.npy"), 0777), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outputs *set = create();
        CU_ASSERT_EQUAL(outputs_claim(set, "--a", scratch_path(&s, "a.npy")), EXIT_DONE);
        const char *path = cases[i].path[0] == '\0' ? "" : scratch_path(&s, cases[i].path);
        CU_ASSERT_EQUAL(claim_quietly(&s, set, "--y", path), cases[i].status);
        CU_ASSERT(scratch_one_error(&s, cases[i].part));
        CU_ASSERT(scratch_one_error(&s, "--y: "));
        outputs_release(set);
        CU_ASSERT_EQUAL(scratch_count(&s), 2);
    }
    CU_ASSERT(holds(scratch_path(&s, "a.npy"), "old"));
    scratch_close(&s);
}

static void a_picture_ends_in_png(void)
{
    scratch s;
    scratch_open(&s);
    outputs *set = create();
    const char *wrong = scratch_path(&s, "p.npy"), *right = scratch_path(&s, "p.png");
    scratch_hush(&s);
    CU_ASSERT_EQUAL(outputs_claim_picture(set, "--png", wrong), EXIT_WRONG_USE);
    scratch_listen(&s);
    CU_ASSERT(scratch_one_error(&s, "ends in .png"));
    CU_ASSERT_EQUAL(outputs_claim_picture(set, "--png", right), EXIT_DONE);
    FILE *file = outputs_open(set, right);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("drawn", file);
    CU_ASSERT_EQUAL(outputs_close(set, right), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    CU_ASSERT(holds(right, "drawn"));
    CU_ASSERT_EQUAL(scratch_count(&s), 1);
    scratch_close(&s);
}

static void a_link_stays_and_its_target_is_written(void)
{
    scratch s;
    struct stat facts;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3), *l = scratch_path(&s, "l.npy");
    CU_ASSERT_EQUAL(symlink(a, l), 0);
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--l", l), EXIT_DONE);
    CU_ASSERT_EQUAL(claim_quietly(&s, set, "--a", a), EXIT_WRONG_USE);
    write_one(set, l);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    CU_ASSERT(lstat(l, &facts) == 0 && S_ISLNK(facts.st_mode));
    CU_ASSERT_FALSE(holds(a, "old"));
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    scratch_close(&s);
}

static void a_signal_leaves_nothing(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (int i = 0; i < 4; i++) {
        scratch s;
        int ended = 0;
        scratch_open(&s);
        const char *a = scratch_file(&s, "a.npy", "old", 3);
        pid_t child = fork();
        if (child == 0) {
            signal(signals[i], SIG_DFL); /* whoever runs the test may ignore it */
            outputs *set = create();
            if (outputs_claim(set, "--a", a) == EXIT_DONE && scratch_count(&s) == 1 + named)
                raise(signals[i]);
            _exit(0);
        }
        CU_ASSERT_EQUAL(waitpid(child, &ended, 0), child);
        CU_ASSERT(WIFSIGNALED(ended) && WTERMSIG(ended) == signals[i]);
        CU_ASSERT_EQUAL(scratch_count(&s), 1);
        CU_ASSERT(holds(a, "old"));
        scratch_close(&s);
    }
}

/* Nothing catches SIGKILL. */
static void a_kill_leaves_nothing(void)
{
    scratch s;
    int ended = 0;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3);
    pid_t child = fork();
    if (child == 0) {
        outputs *set = create();
        if (outputs_claim(set, "--a", a) == EXIT_DONE) write_one(set, a);
        raise(SIGKILL);
    }
    CU_ASSERT_EQUAL(waitpid(child, &ended, 0), child);
    CU_ASSERT(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    CU_ASSERT_EQUAL(scratch_count(&s), 1 + named);
    CU_ASSERT(holds(a, "old"));
    scratch_close(&s);
}

/* What replaces a file is no more readable than that; a new file is as the user's mask wants it. */
static void a_mode_stays(void)
{
    static const mode_t modes[] = {0600, 0640, 0666, 0755};
    struct stat facts;
    scratch s;
    scratch_open(&s);
    const char *a = scratch_file(&s, "a.npy", "old", 3), *b = scratch_path(&s, "b.npy");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        CU_ASSERT_EQUAL(chmod(a, modes[i]), 0);
        outputs *set = create();
        CU_ASSERT_EQUAL(outputs_claim(set, "--a", a), EXIT_DONE);
        write_one(set, a);
        CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
        outputs_release(set);
        CU_ASSERT_EQUAL(stat(a, &facts), 0);
        CU_ASSERT_EQUAL(facts.st_mode & 07777, modes[i]);
    }
    CU_ASSERT_FALSE(holds(a, "old"));
    mode_t mask = umask(027);
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--b", b), EXIT_DONE);
    write_one(set, b);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    umask(mask);
    CU_ASSERT(stat(b, &facts) == 0 && (facts.st_mode & 07777) == 0640);
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    scratch_close(&s);
}

static void a_link_to_nothing_is_followed(void)
{
    scratch s;
    struct stat facts;
    scratch_open(&s);
    const char *a = scratch_path(&s, "a.npy"), *l = scratch_path(&s, "l.npy");
    CU_ASSERT_EQUAL(symlink("a.npy", l), 0);
    outputs *set = create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--l", l), EXIT_DONE);
    write_one(set, l);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
    CU_ASSERT(lstat(l, &facts) == 0 && S_ISLNK(facts.st_mode));
    CU_ASSERT(lstat(a, &facts) == 0 && S_ISREG(facts.st_mode));
    CU_ASSERT_EQUAL(scratch_count(&s), 2);
    scratch_close(&s);
}

const test_entry test_suite[] = {
    {"a commit puts all in place and nothing else", a_commit_puts_all_in_place_and_nothing_else},
    {"without a commit nothing changes", without_a_commit_nothing_changes},
    {"a commit that fails is undone", a_commit_that_fails_is_undone},
    {"claims are checked at once", claims_are_checked_at_once},
    {"a picture ends in .png", a_picture_ends_in_png},
    {"a link stays and its target is written", a_link_stays_and_its_target_is_written},
    {"a link to nothing is followed", a_link_to_nothing_is_followed},
    {"a mode stays", a_mode_stays},
    {"a signal leaves nothing", a_signal_leaves_nothing},
    {"a kill leaves nothing", a_kill_leaves_nothing},
    {"the same of temporary files with names", have_names},
    {"a commit puts all in place", a_commit_puts_all_in_place_and_nothing_else},
    {"without a commit", without_a_commit_nothing_changes},
    {"a commit that fails", a_commit_that_fails_is_undone},
    {"claims", claims_are_checked_at_once},
    {"a link", a_link_stays_and_its_target_is_written},
    {"a link to nothing", a_link_to_nothing_is_followed},
    {"a mode", a_mode_stays},
    {"a signal", a_signal_leaves_nothing},
    {"a kill, which leaves a name", a_kill_leaves_nothing},
    {NULL, NULL}};
