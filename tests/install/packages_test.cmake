# SPDX-License-Identifier: Apache-2.0
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endfunction()

run(${CPACK} -G DEB --config ${BUILD}/CPackConfig.cmake -B ${WORK}/made)
set(expected libpartita-c libpartita-dev)
if(APPS)
  list(APPEND expected partita)
endif()
if(LEARN)
  list(APPEND expected partita-learn)
endif()
foreach(package IN LISTS expected)
  file(GLOB file ${WORK}/made/${package}_${VERSION}*.deb)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "no package ${package}")
  endif()
  execute_process(COMMAND ${DPKG_DEB} --field ${file} Depends OUTPUT_VARIABLE depends_of_${package}
    COMMAND_ERROR_IS_FATAL ANY)
  run(${DPKG_DEB} --extract ${file} ${WORK}/root)
endforeach()

# libpartita_c.so is in a package of its own, which development needs and which needs no compiler.
if(NOT depends_of_libpartita-dev MATCHES "libpartita-c \\(= ${VERSION}\\)")
  message(FATAL_ERROR "libpartita-dev depends on: ${depends_of_libpartita-dev}")
endif()
if(NOT depends_of_libpartita-c MATCHES "libtbb" OR depends_of_libpartita-c MATCHES "-dev")
  message(FATAL_ERROR "libpartita-c depends on: ${depends_of_libpartita-c}")
endif()
if(APPS AND depends_of_partita MATCHES "torch")
  message(FATAL_ERROR "partita depends on: ${depends_of_partita}")
endif()

if(APPS)
  run(${WORK}/root/usr/bin/partita --version)
endif()
run(${CMAKE_COMMAND} -S ${OUTSIDE} -B ${WORK}/build -G ${GENERATOR}
  -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_PREFIX_PATH=${WORK}/root/usr
  -D PARTITA_VERSION=${VERSION}
  -D LEARN=${LEARN})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure)
