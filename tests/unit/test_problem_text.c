/* Problem text: what each key sets, the defaults, every refusal with its message, and that formatting and
 * parsing are each other's reverse. */
#include "harness.h"

#include "clconv.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_every_key(void)
{
    clconv_problem p;
    const char *text = "mb2ic6id10ih20iw30oc4kd3kh5kw7sd1sh2sw3pd4ph5pw6dd0dh1dw2g2";
    CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    CU_ASSERT(p.batch == 2 && p.in_channels == 6 && p.out_channels == 4 && p.groups == 2);
    for (int axis = 0; axis < 3; axis++) {
        CU_ASSERT_EQUAL(p.input[axis], 10 * (axis + 1));
        CU_ASSERT_EQUAL(p.kernel[axis], 3 + 2 * axis);
        CU_ASSERT_EQUAL(p.stride[axis], 1 + axis);
        CU_ASSERT_EQUAL(p.pad_before[axis], 4 + axis);
        CU_ASSERT_EQUAL(p.pad_after[axis], 4 + axis);
        CU_ASSERT_EQUAL(p.dilation[axis], 1 + axis);
    }
    CU_ASSERT(p.padding_mode == CLCONV_PADDING_ZEROS && p.dtype == CLCONV_FLOAT32 && p.has_bias == 0);
}

static void check_same(const char *text, const char *full)
{
    clconv_problem p;
    char formatted[CLCONV_PROBLEM_TEXT_SIZE] = "";
    CU_ASSERT_EQUAL(clconv_problem_parse(text, &p, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clconv_problem_format(&p, formatted, NULL), CLCONV_SUCCESS);
    if (strcmp(formatted, full) != 0) printf("got %s\nnot %s\n", formatted, full);
    CU_ASSERT_STRING_EQUAL(formatted, full);
}

static void test_defaults(void)
{
    check_same("ic1id1oc1kd1", "mb1ic1id1ih1iw1oc1kd1kh1kw1sd1sh1sw1pd0ph0pw0dd0dh0dw0g1");
    check_same("ic3id8oc2kd3sd2pd1dd1", "mb1ic3id8ih8iw8oc2kd3kh3kw3sd2sh2sw2pd1ph1pw1dd1dh1dw1g1");
    check_same("ic3id8ih9oc2kd3kh1", "mb1ic3id8ih9iw9oc2kd3kh1kw1sd1sh1sw1pd0ph0pw0dd0dh0dw0g1");
    check_same("ic3id8iw9oc2kd3kw1", "mb1ic3id8ih8iw9oc2kd3kh3kw1sd1sh1sw1pd0ph0pw0dd0dh0dw0g1");
    check_same("ic3id8oc2kd3sw2", "mb1ic3id8ih8iw8oc2kd3kh3kw3sd1sh1sw2pd0ph0pw0dd0dh0dw0g1");
    check_same("kd3oc2id8od6oh6ow6ic3mb0", "mb0ic3id8ih8iw8oc2kd3kh3kw3sd1sh1sw1pd0ph0pw0dd0dh0dw0g1");
}

static void test_refusals(void)
{
    const struct {
        const char *text, *message;
    } cases[] = {
        {"", "problem '': 'ic' is missing"},
        {"ic1id4kd1", "problem 'ic1id4kd1': 'oc' is missing"},
        {"ic1oc1kd1", "problem 'ic1oc1kd1': 'id' is missing"},
        {"ic1oc1id4", "problem 'ic1oc1id4': 'kd' is missing"},
        {"ic1oc1id4kd1zz3", "problem 'ic1oc1id4kd1zz3': no key is known at 'zz3'"},
        {"ic1 oc1", "problem 'ic1 oc1': no key is known at ' oc1'"},
        {"ic", "problem 'ic': 'ic' must be followed by a number"},
        {"ic-1", "problem 'ic-1': 'ic' must be followed by a number"},
        {"icoc1", "problem 'icoc1': 'ic' must be followed by a number"},
        {"ic1ic1", "problem 'ic1ic1': 'ic' is given twice"},
        {"ic9223372036854775808", "problem 'ic9223372036854775808': the number of 'ic' exceeds 2^63 - 1"},
        {"ic1oc1id4kd1dh9223372036854775807",
         "problem 'ic1oc1id4kd1dh9223372036854775807': the number of 'dh' exceeds 2^63 - 2"},
        {"ic1oc1id4kd1od5", "problem 'ic1oc1id4kd1od5': 'od' is 5; the other keys make it 4"},
        {"ic1oc1id4kd1ow3", "problem 'ic1oc1id4kd1ow3': 'ow' is 3; the other keys make it 4"},
        {"ic1oc1id4kd1g0", "groups is 0; it must be a positive integer"},
        {"ic3oc4id4kd1g2", "in_channels is 3; it must be divisible by groups (2)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clconv_error err = {.message = ""};
        clconv_problem p, before;
        memset(&p, 0x11, sizeof p);
        before = p;
        CU_ASSERT_EQUAL(clconv_problem_parse(cases[i].text, &p, &err), CLCONV_INVALID_PROBLEM);
        CU_ASSERT_STRING_EQUAL(err.message, cases[i].message);
        CU_ASSERT(memcmp(&p, &before, sizeof p) == 0);
    }
}

static void test_null(void)
{
    clconv_problem p;
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "as it was";
    clconv_problem_init(&p);
    CU_ASSERT_EQUAL(clconv_problem_parse(NULL, &p, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_problem_parse("ic1id1oc1kd1", NULL, NULL), CLCONV_INVALID_ARGUMENT);
    CU_ASSERT_EQUAL(clconv_problem_format(NULL, text, NULL), CLCONV_INVALID_ARGUMENT);
    p.stride[0] = 0;
    CU_ASSERT_EQUAL(clconv_problem_format(&p, text, NULL), CLCONV_INVALID_PROBLEM);
    CU_ASSERT_STRING_EQUAL(text, "as it was");
}

/* A text of any length is refused within the size of a message. */
static void test_long_text(void)
{
    enum { LENGTH = 100000 };
    char *text = malloc(LENGTH + 1);
    CU_ASSERT_FATAL(text != NULL);
    memset(text, 'x', LENGTH);
    text[LENGTH] = '\0';
    clconv_problem p;
    clconv_error err;
    CU_ASSERT_EQUAL(clconv_problem_parse(text, &p, &err), CLCONV_INVALID_PROBLEM);
    CU_ASSERT_EQUAL(strlen(err.message), CLCONV_MESSAGE_SIZE - 1);
    free(text);
}

static void test_asymmetric(void)
{
    clconv_problem p;
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    clconv_problem_init(&p);
    p.kernel[1] = 2;
    CU_ASSERT_EQUAL(clconv_problem_set_same_padding(&p, NULL), CLCONV_SUCCESS);
    CU_ASSERT_EQUAL(clconv_problem_format(&p, text, NULL), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(text, "mb1ic1id1ih1iw1oc1kd1kh2kw1sd1sh1sw1pd0ph0pw0dd0dh0dw0g1_asymmetric");
    p.pad_after[1] = 0;
    p.dilation[1] = p.input[1] = 2;
    p.kernel[1] = 1;
    p.output_padding[1] = 1;
    CU_ASSERT_EQUAL_FATAL(clconv_problem_format(&p, text, NULL), CLCONV_SUCCESS);
    CU_ASSERT_STRING_EQUAL(text, "mb1ic1id1ih2iw1oc1kd1kh1kw1sd1sh1sw1pd0ph0pw0dd0dh1dw0g1_output_padding");
}

/* The longest numbers fit the caller's text. */
static void test_longest(void)
{
    clconv_problem p;
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    clconv_problem_init(&p);
    for (int axis = 0; axis < 3; axis++)
        p.stride[axis] = p.dilation[axis] = INT64_MAX;
    CU_ASSERT_EQUAL(clconv_problem_format(&p, text, NULL), CLCONV_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "sw9223372036854775807pd0ph0pw0dd9223372036854775806"));
}

static void test_round_trip(void)
{
    random_state r = {5};
    for (int i = 0; i < 1000; i++) {
        clconv_problem p, parsed;
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        clconv_problem_init(&p);
        p.batch = random_between(&r, 0, 9);
        p.groups = random_between(&r, 1, 4);
        p.in_channels = p.groups * random_between(&r, 1, 99);
        p.out_channels = p.groups * random_between(&r, 1, 99);
        for (int axis = 0; axis < 3; axis++) {
            p.input[axis] = random_between(&r, 21, 999);
            p.kernel[axis] = random_between(&r, 1, 6);
            p.stride[axis] = random_between(&r, 1, 12);
            p.dilation[axis] = random_between(&r, 1, 4);
            p.pad_before[axis] = p.pad_after[axis] = random_between(&r, 0, 12);
        }
        CU_ASSERT_EQUAL_FATAL(clconv_problem_format(&p, text, NULL), CLCONV_SUCCESS);
        CU_ASSERT_EQUAL_FATAL(clconv_problem_parse(text, &parsed, NULL), CLCONV_SUCCESS);
        CU_ASSERT(memcmp(&p, &parsed, sizeof p) == 0);
    }
}

const char test_suite_name[] = "problem_text";
const test_entry test_suite[] = {
    {"every key", test_every_key},
    {"defaults and order", test_defaults},
    {"refusals", test_refusals},
    {"NULL, and what cannot be formatted", test_null},
    {"a long text", test_long_text},
    {"asymmetric padding", test_asymmetric},
    {"the longest numbers", test_longest},
    {"format and parse", test_round_trip},
    {NULL, NULL},
};
