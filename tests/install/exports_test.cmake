# SPDX-License-Identifier: Apache-2.0
# Names of internal/ and of other libraries must not be among those that the library exports.
execute_process(COMMAND ${NM} -D --defined-only -C ${LIBRARY} OUTPUT_VARIABLE names
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" names "${names}")
list(LENGTH names count)
if(count LESS 100)
  message(FATAL_ERROR "only ${count} names")
endif()
set(wrong ${names})
list(FILTER wrong EXCLUDE REGEX "^[0-9a-f]+ . ([a-z ]*for )?partita::")
set(hidden ${names})
list(FILTER hidden INCLUDE REGEX "partita::kernels::")
list(APPEND wrong ${hidden})
if(wrong)
  list(JOIN wrong "\n" wrong)
  message(FATAL_ERROR "exported:\n${wrong}")
endif()
