// SPDX-License-Identifier: Apache-2.0
// All gradient estimators; estimators/estimator.hpp has the table of them and how they are called.
#pragma once

#include "partita/learn/estimators/arm.hpp"
#include "partita/learn/estimators/arms.hpp"
#include "partita/learn/estimators/double_control_variates.hpp"
#include "partita/learn/estimators/elbo.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/generalized_advantage.hpp"
#include "partita/learn/estimators/implicit_mle.hpp"
#include "partita/learn/estimators/measure.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/perturbed_top_k.hpp"
#include "partita/learn/estimators/policy_gradient.hpp"
#include "partita/learn/estimators/policy_ratio.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/unordered_set.hpp"
