/* The clconv command: finds the command named by the first argument and hands it the rest. What a command
 * printed counts as done only when standard output has taken all of it. */
#include "commands/commands.h"
#include "common/affinity.h"
#include "common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} command;

#define COMMAND_ENTRY(name, summary) {#name, summary, cmd_##name},
static const command commands[] = {COMMAND_LIST(COMMAND_ENTRY){NULL, NULL, NULL}};

/* A file opened later must not become a standard stream that the caller closed. Opened the wrong way round,
 * so that what is written to standard output still fails. */
static int fill_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) != stream) return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static int print_help(void)
{
    printf("usage: clconv COMMAND [options]\n\n"
           "3D convolution on any OpenCL device, exactly as torch.nn.Conv3d defines it.\n\ncommands:\n");
    for (const command *c = commands; c->name; c++) {
        printf("  %-8s  %s\n", c->name, c->summary);
    }
    printf("\n'clconv COMMAND --help' shows the options of a command; 'man clconv-COMMAND' says more.\n"
           "'clconv --version' prints the version.\n"
           "Exit status: 0 done; 2 wrong arguments, tensors or problem; 1 any other failure.\n");
    return EXIT_DONE;
}

/* "help" and "help COMMAND". */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    if (argc == 2) return print_help();
    if (argc > 3) return tool_fail(EXIT_WRONG_USE, "help takes one command");
    for (const command *c = commands; c->name; c++) {
        if (!strcmp(argv[2], c->name)) return c->run(2, (char *[]){argv[2], option, NULL});
    }
    return tool_fail(EXIT_WRONG_USE, "'%s' is no command; 'clconv --help' lists them", argv[2]);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) return tool_fail(EXIT_WRONG_USE, "no command; 'clconv --help' lists them");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return print_help();
    if (!strcmp(argv[1], "--version")) {
        printf("clconv %s\n", clconv_version());
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "help")) return help(argc, argv);
    for (const command *c = commands; c->name; c++) {
        if (!strcmp(argv[1], c->name)) return c->run(argc - 1, argv + 1);
    }
    return tool_fail(EXIT_WRONG_USE, "'%s' is no command; 'clconv --help' lists them", argv[1]);
}

int main(int argc, char **argv)
{
    if (fill_standard_streams() != EXIT_DONE) return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN);
    affinity_bind_pocl();
    int status = dispatch(argc, argv);
    int written = !ferror(stdout) && fclose(stdout) == 0;
    if (!written && status == EXIT_DONE) {
        status = tool_fail(EXIT_FAILED, "cannot write to standard output");
    }
    return status;
}
