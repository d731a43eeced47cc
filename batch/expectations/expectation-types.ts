/** Which function runs which type of expectation: the table of contents of this folder. */

import {
  maxBetween,
  meanBetween,
  medianBetween,
  minBetween,
  nonNullShareBetween,
  stdevBetween,
  sumBetween,
  uniqueCountBetween,
  uniqueShareBetween,
} from "./aggregate-expectations.ts";
import { distinctContainSet, distinctEqualSet, distinctInSet, modeInSet } from "./distinct-expectations.ts";
import type { CompileExpectation } from "./expectation-run.ts";
import { klDivergenceLess } from "./kl-divergence.ts";
import {
  valuesBetween,
  valuesIncreasing,
  valuesInSet,
  valuesNotInSet,
  valuesNotNull,
  valuesNull,
  valuesUnique,
  zScoresLess,
} from "./map-expectations.ts";
import { compoundUnique, sumEqual, uniqueWithinRecord } from "./multicolumn-expectations.ts";
import { pairEqual, pairGreater, pairInSet } from "./pair-expectations.ts";
import { quantilesBetween } from "./quantiles.ts";
import type { ExpectationType } from "./suite-kwargs.ts";
import {
  columnCountBetween,
  columnCountEqual,
  columnExists,
  columnsMatchList,
  columnsMatchSet,
  rowCountBetween,
  rowCountEqual,
} from "./table-expectations.ts";
import { lengthsBetween, lengthsEqual, valuesMatch, valuesMatchList, valuesNotMatch } from "./text-expectations.ts";
import { valuesInTypeList, valuesOfType } from "./type-expectations.ts";

/** The compilers by type. */
export const EXPECTATIONS: Readonly<Record<ExpectationType, CompileExpectation>> = Object.freeze({
  expect_table_row_count_to_be_between: rowCountBetween,
  expect_table_row_count_to_equal: rowCountEqual,
  expect_table_column_count_to_be_between: columnCountBetween,
  expect_table_column_count_to_equal: columnCountEqual,
  expect_table_columns_to_match_ordered_list: columnsMatchList,
  expect_table_columns_to_match_set: columnsMatchSet,
  expect_column_to_exist: columnExists,
  expect_column_values_to_be_between: valuesBetween,
  expect_column_values_to_be_in_set: valuesInSet,
  expect_column_values_to_not_be_in_set: valuesNotInSet,
  expect_column_values_to_be_null: valuesNull,
  expect_column_values_to_not_be_null: valuesNotNull,
  expect_column_values_to_be_unique: valuesUnique,
  expect_column_values_to_be_increasing: valuesIncreasing,
  expect_column_values_to_be_of_type: valuesOfType,
  expect_column_values_to_be_in_type_list: valuesInTypeList,
  expect_column_values_to_match_regex: valuesMatch,
  expect_column_values_to_not_match_regex: valuesNotMatch,
  expect_column_values_to_match_regex_list: valuesMatchList,
  expect_column_value_lengths_to_be_between: lengthsBetween,
  expect_column_value_lengths_to_equal: lengthsEqual,
  expect_column_value_z_scores_to_be_less_than: zScoresLess,
  expect_column_min_to_be_between: minBetween,
  expect_column_max_to_be_between: maxBetween,
  expect_column_mean_to_be_between: meanBetween,
  expect_column_median_to_be_between: medianBetween,
  expect_column_sum_to_be_between: sumBetween,
  expect_column_stdev_to_be_between: stdevBetween,
  expect_column_unique_value_count_to_be_between: uniqueCountBetween,
  expect_column_proportion_of_unique_values_to_be_between: uniqueShareBetween,
  expect_column_proportion_of_non_null_values_to_be_between: nonNullShareBetween,
  expect_column_distinct_values_to_be_in_set: distinctInSet,
  expect_column_distinct_values_to_contain_set: distinctContainSet,
  expect_column_distinct_values_to_equal_set: distinctEqualSet,
  expect_column_most_common_value_to_be_in_set: modeInSet,
  expect_column_quantile_values_to_be_between: quantilesBetween,
  expect_column_kl_divergence_to_be_less_than: klDivergenceLess,
  expect_column_pair_values_to_be_equal: pairEqual,
  expect_column_pair_values_a_to_be_greater_than_b: pairGreater,
  expect_column_pair_values_to_be_in_set: pairInSet,
  expect_compound_columns_to_be_unique: compoundUnique,
  expect_multicolumn_sum_to_equal: sumEqual,
  expect_select_column_values_to_be_unique_within_record: uniqueWithinRecord,
});
