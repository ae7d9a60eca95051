# What every target of the project shares, and the four ways to add one.

add_library(counterflow_options INTERFACE)
target_compile_options(counterflow_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -fopenmp-simd)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(counterflow_options INTERFACE -Wno-restrict)  # false alarms of gcc 12 in std::string (PR 105651)
endif()
if(COUNTERFLOW_WARNINGS_AS_ERRORS)
  target_compile_options(counterflow_options INTERFACE -Werror)
endif()
target_include_directories(counterflow_options INTERFACE ${PROJECT_SOURCE_DIR})

# counterflow_kernel(TARGET SOURCE): compiles one source three times, for the baseline, AVX2+FMA and AVX-512, each in the namespace
# COUNTERFLOW_KERNEL (kernel_baseline, kernel_avx2, kernel_avx512). The caller of a kernel picks by core/kernel.h. Only such
# sources get instruction-set flags; they include nothing that other sources include as inline code.
function(counterflow_kernel target source)
  get_filename_component(stem ${source} NAME_WE)
  foreach(isa baseline avx2 avx512)
    set(flags_baseline "")
    set(flags_avx2 -mavx2 -mfma)
    set(flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512)
    set(object ${target}_${stem}_${isa})
    add_library(${object} OBJECT ${source})
    target_link_libraries(${object} PRIVATE counterflow_options)
    target_compile_definitions(${object} PRIVATE COUNTERFLOW_KERNEL=kernel_${isa})
    target_compile_options(${object} PRIVATE ${flags_${isa}} -ffp-contract=fast -fno-math-errno -fno-trapping-math)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
  endforeach()
endfunction()

# counterflow_plugin(FOLDER SOURCES...): libcounterflow_<folder>.so in the plugin folder.
function(counterflow_plugin folder)
  set(plugin counterflow_${folder})
  add_library(${plugin} MODULE ${ARGN})
  target_link_libraries(${plugin} PRIVATE counterflow_core counterflow_options)
  target_link_options(${plugin} PRIVATE -Wl,-z,defs)
  set_target_properties(${plugin} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${COUNTERFLOW_PLUGIN_DIR}
    INSTALL_RPATH "$ORIGIN/..")
  install(TARGETS ${plugin} LIBRARY DESTINATION ${COUNTERFLOW_PLUGIN_DIR})
  set_property(GLOBAL APPEND PROPERTY COUNTERFLOW_PLUGINS ${plugin})
endfunction()

# counterflow_test(NAME SOURCES... [LINK libraries...]): one GoogleTest program, one ctest entry.
function(counterflow_test name)
  if(NOT COUNTERFLOW_TESTS)
    return()
  endif()
  cmake_parse_arguments(T "" "" "LINK" ${ARGN})
  add_executable(${name} ${T_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE counterflow_core counterflow_options GTest::gtest GTest::gtest_main GTest::gmock ${T_LINK})
  target_compile_definitions(${name} PRIVATE COUNTERFLOW_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    COUNTERFLOW_PLUGIN_DIR="${CMAKE_BINARY_DIR}/${COUNTERFLOW_PLUGIN_DIR}"
    COUNTERFLOW_TEST_PLUGIN_DIR="${CMAKE_BINARY_DIR}/tests/plugins")  # a test that uses it depends on the target test_plugins
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1800)
endfunction()

# counterflow_benchmark(NAME SOURCES... [LINK libraries...]): one Google Benchmark program, which the target `benchmarks` runs. The
# machine's own peaks (core/testing/machine_peak.h) stand in the context of its figures.
function(counterflow_benchmark name)
  if(NOT COUNTERFLOW_BENCHMARKS)
    return()
  endif()
  cmake_parse_arguments(B "" "" "LINK" ${ARGN})
  add_executable(${name} ${B_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE counterflow_core counterflow_options counterflow_benchmark_main ${B_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
  set_property(GLOBAL APPEND PROPERTY COUNTERFLOW_BENCHMARK_PROGRAMS ${name})
endfunction()
