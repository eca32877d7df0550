/* Steps of an algorithm: see emit.h. */
#include "plan/emit.h"

#include "problem/fold.h"

clconv_status algorithm_emit(const request *q, const algorithm *a, const char *overrides,
                             parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    a->choose(q, parameters);
    clconv_status status = parameters_override(a->ranges, overrides, parameters, err);
    if (status == CLCONV_SUCCESS) a->emit(q, parameters, r, why);
    return status;
}

clconv_status forward_emit(const request *q, const algorithm *a, const char *overrides,
                           parameter_set *parameters, recipe *r, text *why, clconv_error *err)
{
    clconv_status status = algorithm_emit(q, a, overrides, parameters, r, why, err);
    clconv_problem problem;
    geometry g;
    if (status != CLCONV_SUCCESS || why->length == 0 || !problem_fold(q->problem, &problem) ||
        geometry_compute(&problem, &g, NULL) != CLCONV_SUCCESS)
        return status;
    request folded = *q;
    folded.problem = &problem;
    folded.geometry = &g;
    recipe made = {.compared = r->compared, .run_steps = r->run_steps, .speed = r->speed};
    text reason = {0};
    parameter_set own;
    status = algorithm_emit(&folded, a, overrides, &own, &made, &reason, err);
    if (status == CLCONV_SUCCESS && reason.length == 0) {
        recipe_release(r);
        *r = made;
        *parameters = own;
        made = (recipe){0};
        text_release(why);
    }
    text_release(&reason);
    recipe_release(&made);
    return status;
}
