# SPDX-License-Identifier: Apache-2.0
# examples/mpi_group.cpp, in one process and in three: the same ten categories.
set(ENV{OMPI_ALLOW_RUN_AS_ROOT} 1)
set(ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} 1)
set(ENV{OMPI_MCA_rmaps_base_oversubscribe} 1)
foreach(processes 1 3)
  execute_process(COMMAND ${MPIEXEC} -n ${processes} ${EXAMPLE} OUTPUT_VARIABLE printed_${processes}
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
string(REGEX MATCHALL "category" lines "${printed_1}")
list(LENGTH lines count)
if(NOT count EQUAL 10 OR NOT printed_1 STREQUAL printed_3)
  message(FATAL_ERROR "one process: ${printed_1}\nthree: ${printed_3}")
endif()
