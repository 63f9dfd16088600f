# SPDX-License-Identifier: Apache-2.0
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endfunction()

if(SANITIZE)
  set(flags -D CMAKE_C_FLAGS=-fsanitize=${SANITIZE} -D CMAKE_CXX_FLAGS=-fsanitize=${SANITIZE})
endif()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
if(EXISTS ${WORK}/prefix/bin/partita)
  run(${WORK}/prefix/bin/partita --version)
endif()
run(${CMAKE_COMMAND} -S ${OUTSIDE} -B ${WORK}/build -G ${GENERATOR} ${flags}
  -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_PREFIX_PATH=${WORK}/prefix
  -D PARTITA_VERSION=${VERSION}
  -D LEARN=${LEARN}
  -D LLAMA=${LLAMA}
  -D ONNX=${ONNX})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure)

# Without CMake.
if(PKG_CONFIG)
  file(GLOB_RECURSE found ${WORK}/prefix/*/partita.pc)
  cmake_path(GET found PARENT_PATH folder)
  set(ENV{PKG_CONFIG_PATH} ${folder})
  function(build_with_pkg_config package source) # and run it
    execute_process(COMMAND ${PKG_CONFIG} --cflags --libs ${package} OUTPUT_VARIABLE flags
      COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(flags UNIX_COMMAND "${flags}")
    set(program ${WORK}/${package})
    if(SANITIZE)
      list(APPEND flags -fsanitize=${SANITIZE})
    endif()
    cmake_path(GET folder PARENT_PATH libraries)
    run($ENV{CMAKE_CXX_COMPILER_LAUNCHER} ${ARGN} -c ${OUTSIDE}/${source} ${flags} -o ${program}.o)
    run(${ARGN} ${program}.o ${flags} -Wl,-rpath,${libraries} -o ${program})
    run(${program})
  endfunction()
  build_with_pkg_config(partita main.cpp ${COMPILER} -std=c++20)
  build_with_pkg_config(partita-c main.c cc -std=c11)
  if(LEARN)
    build_with_pkg_config(partita-learn learn.cpp ${COMPILER} -std=c++20)
  endif()
endif()
