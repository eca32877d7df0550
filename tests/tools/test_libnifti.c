/* NIfTI-1 and other programs: libnifti, which this reader does without, reads what is written, compressed by
 * several threads or not. */
#include "files/outputs.h"
#include "harness.h"
#include "scratch.h"

#include <math.h>
#include <nifti2_io.h>
#include <string.h>

const char test_suite_name[] = "tools/libnifti";

static void write_volume(const char *path, const tensor *t)
{
    outputs *set = outputs_create();
    CU_ASSERT_EQUAL(outputs_claim(set, "--output", path), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_write_tensor(set, path, t), EXIT_DONE);
    CU_ASSERT_EQUAL(outputs_commit(set), EXIT_DONE);
    outputs_release(set);
}

/* Some megabytes, so that there are several jobs of compression: a ball of waves in a volume of zeros. */
static void fill(tensor *t)
{
    int64_t plane = t->shape[2] * t->shape[3];
    for (int64_t i = 0; i < t->elements; i++) {
        int64_t z = i / plane % t->shape[1], y = i % plane / t->shape[3], x = i % t->shape[3];
        int64_t r = (z - 40) * (z - 40) + (y - 50) * (y - 50) + (x - 60) * (x - 60);
        ((float *)t->data)[i] = r < 1500 ? (float)sin(0.01 * (double)i) : 0;
    }
}

static void libnifti_reads_what_is_written(void)
{
    static const char *const names[] = {"y.nii", "y.nii.gz"};
    for (int i = 0; i < 2; i++) {
        scratch s;
        tensor t = {0};
        scratch_open(&s);
        CU_ASSERT_EQUAL_FATAL(tensor_create(CLCONV_FLOAT32, 4, (int64_t[]){2, 80, 100, 120}, &t), EXIT_DONE);
        fill(&t);
        const char *path = scratch_path(&s, names[i]);
        write_volume(path, &t);
        nifti_image *image = nifti_image_read(path, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(image);
        CU_ASSERT(image->nx == 120 && image->ny == 100 && image->nz == 80 && image->nt == 2);
        CU_ASSERT_EQUAL(image->datatype, DT_FLOAT32);
        CU_ASSERT_PTR_NOT_NULL_FATAL(image->data);
        CU_ASSERT_EQUAL(memcmp(image->data, t.data, (size_t)t.elements * 4), 0);
        nifti_image_free(image);
        tensor_release(&t);
        scratch_close(&s);
    }
}

const test_entry test_suite[] = {{"libnifti reads what is written", libnifti_reads_what_is_written},
                                 {NULL, NULL}};
