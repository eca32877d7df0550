/* The problems that a device is checked on: see problems.h. Those of the first two levels share their programs where they
 * can, since compiling is what takes time: 16 channels, kernels of 1 or 3, extents that fill no vector. Between them every
 * algorithm does every op that it can. The rest reach the kernels' other branches. */
#include "check/problems.h"

#define QUICK .level = CLCONV_CHECK_QUICK
#define USUAL .level = CLCONV_CHECK_USUAL
#define FULL .level = CLCONV_CHECK_FULL
#define REFLECT CLCONV_PADDING_REFLECT
#define REPLICATE CLCONV_PADDING_REPLICATE
#define CIRCULAR CLCONV_PADDING_CIRCULAR
#define SYMMETRIC CLCONV_PADDING_SYMMETRIC
#define RELU CLCONV_ACTIVATION_RELU
#define LEAKY_RELU CLCONV_ACTIVATION_LEAKY_RELU
#define SILU CLCONV_ACTIVATION_SILU
#define GELU CLCONV_ACTIVATION_GELU

const check_case check_cases[] = {
    {"ic16id4ih9iw17oc16kd3pd1", QUICK, .has_bias = 1},
    {"ic16id5ih5iw33oc16kd3pd1g16", QUICK, .has_bias = 1},
    {"mb2ic2id3ih5iw7oc2kd1", QUICK, .has_bias = 1},
    {"ic16id9ih5iw7oc16kd3kh1kw1pd1ph0pw0", QUICK},
    {"mb9ic3id2ih4iw4oc16kd2kh4kw4sd2sh4sw4", QUICK, .has_bias = 1},
    {"mb2ic16id5ih9iw17oc16kd3pd1", USUAL, .mode = REFLECT},
    {"ic16id5ih9iw17oc16kd3pd1", USUAL, .mode = REPLICATE, .has_bias = 1},
    {"ic16id4ih8iw17oc16kd3pd1", USUAL, .mode = CIRCULAR, .has_bias = 1},
    {"ic16id5ih9iw17oc16kd3pd1", USUAL, .mode = SYMMETRIC},
    {"ic16id4ih9iw17oc16kd3", USUAL, .extra_after = 1, .has_bias = 1},
    {"ic16id3ih7iw34oc32kd3pd1g2", USUAL, .has_bias = 1},
    {"ic16id1ih1iw1oc16kd3pd1", USUAL},
    {"mb0ic16id4ih9iw17oc16kd3pd1", USUAL, .has_bias = 1},
    {"ic16id5ih9iw17oc16kd3sd2pd1", USUAL, .mode = REFLECT, .has_bias = 1},
    {"ic16id5ih7iw34oc16kd3pd1", FULL, .mode = REPLICATE, .has_residual = 1, .activation = RELU},
    {"ic3id5ih7iw20oc5kd3ph1pd1pw1", FULL, .has_bias = 1},
    {"ic8id4ih9iw17oc16kd3pd1sd2", FULL, .has_bias = 1},
    {"ic4id6ih6iw9oc6kd3pd1g2", FULL, .mode = REFLECT, .has_bias = 1},
    {"ic6id5ih5iw33oc6kd3pd1g6", FULL, .mode = REPLICATE},
    {"ic2id6ih8iw10oc3kd3pd2dd1", FULL, .mode = CIRCULAR, .has_bias = 1},
    {"ic16id3ih4iw5oc33kd1", FULL, .has_bias = 1},
    {"ic3id1ih14iw14oc8kd1kh7kw7sd1sh2sw2pd0ph3pw3", FULL},
    {"mb3ic2id3ih5iw7oc4kd2kh3kw4", FULL, .extra_after = 1, .has_bias = 1},
    {"ic1id9ih9iw50oc1kd5pd2", FULL, .mode = REFLECT, .extra_after = 1},
    {"ic5id7ih1iw64oc7kd3kh1kw1pd1ph0pw0", FULL, .has_bias = 1},
    {"ic2id1ih1iw40oc3kd1kh1kw11pd0ph0pw5", FULL, .mode = REPLICATE, .has_bias = 1},
    {"ic4id4ih12iw12oc8kd2kh2kw2sd2", FULL, .has_bias = 1},
    {"ic2id7ih9iw11oc2kd3sd3sh2sw4pd1dd1dh2dw0", FULL},
    {"ic3id3ih3iw3oc3kd3pd3", FULL, .mode = CIRCULAR, .has_bias = 1},
    {"ic3id2ih3iw4oc4kd3pd4", FULL, .mode = REPLICATE, .extra_after = 1, .has_bias = 1},
    {"ic12id4ih6iw6oc24kd3pd1g12", FULL, .has_bias = 1},
    {"ic8id3ih11iw19oc9kd3kh5kw5pd1ph2pw2", FULL, .has_bias = 1},
    {"ic40id2ih7iw7oc24kd3pd1", FULL, .has_bias = 1},
    {"mb2ic3id8ih8iw31oc13kd4kh1kw3sd1sh3sw2pd2ph0pw1", FULL, .mode = REFLECT, .has_bias = 1},
    {"ic2id1ih1iw1oc2kd1pd2sd7", FULL, .has_bias = 1},
    {"ic7id6ih10iw16oc11kd3pd8dd7", FULL, .has_bias = 1},
    {"ic8id3ih7iw19oc8kd3pd1", FULL, .has_bias = 1, .has_residual = 1, .activation = RELU},
    {"ic4id4ih6iw18oc4kd3pd1g4", FULL, .has_bias = 1, .has_residual = 1, .activation = LEAKY_RELU},
    {"ic6id4ih6iw18oc6kd3pd1g2", FULL, .activation = SILU},
    {"mb2ic5id3ih5iw17oc7kd2", FULL, .has_bias = 1, .has_residual = 1, .activation = GELU},
    {NULL, FULL},
};
