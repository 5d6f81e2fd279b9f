# The program people run: one file a command, and what the conversation in the terminal is made of.
file(GLOB cli CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.cc)
set(cli_tests ${cli})
list(FILTER cli EXCLUDE REGEX "(_test|/main)\\.cc$")
list(FILTER cli_tests INCLUDE REGEX "_test\\.cc$")
configure_file(${CMAKE_SOURCE_DIR}/src/cli/version.h.in ${CMAKE_BINARY_DIR}/generated/cli/version.h @ONLY)
add_library(glassbox_cli STATIC ${cli})
target_compile_options(glassbox_cli PRIVATE ${GLASSBOX_FUZZED_OPTIONS})
glassbox_precompile(glassbox_cli)
target_include_directories(glassbox_cli PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(glassbox_cli PUBLIC glassbox_server glassbox_train prism_world glassbox_audit glassbox_eval
                      PRIVATE CLI11::CLI11)
add_executable(glassbox ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
target_link_libraries(glassbox PRIVATE glassbox_cli)

file(GLOB program_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli_*_test.cc)
add_executable(test_cli ${cli_tests} ${program_tests} ${CMAKE_SOURCE_DIR}/tests/cli_test.cc
                        ${CMAKE_SOURCE_DIR}/tests/terminal_test.cc)
target_compile_options(test_cli PRIVATE ${GLASSBOX_TEST_OPTIONS})
glassbox_unity(test_cli)
target_link_libraries(test_cli PRIVATE glassbox_cli glassbox_testing GTest::gtest_main GTest::gmock util)
target_compile_definitions(test_cli PRIVATE GLASSBOX_PROGRAM="$<TARGET_FILE:glassbox>")
add_dependencies(test_cli glassbox)
gtest_discover_tests(test_cli TEST_PREFIX "cli." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES LABELS cli TIMEOUT 900)
