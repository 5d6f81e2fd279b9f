# The program people run: one file a command.
file(GLOB cli CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.cc)
list(FILTER cli EXCLUDE REGEX "_test\\.cc$")
configure_file(${CMAKE_SOURCE_DIR}/src/cli/version.h.in ${CMAKE_BINARY_DIR}/generated/cli/version.h @ONLY)
add_executable(glassbox ${cli})
target_include_directories(glassbox PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(glassbox PRIVATE glassbox_server glassbox_train prism_world glassbox_audit glassbox_eval CLI11::CLI11 PkgConfig::EDIT)

add_executable(test_cli ${CMAKE_SOURCE_DIR}/tests/cli_test.cc ${CMAKE_SOURCE_DIR}/tests/terminal_test.cc)
target_link_libraries(test_cli PRIVATE glassbox_formats glassbox_testing GTest::gtest_main GTest::gmock util)
target_compile_definitions(test_cli PRIVATE GLASSBOX_PROGRAM="$<TARGET_FILE:glassbox>")
add_dependencies(test_cli glassbox)
gtest_discover_tests(test_cli TEST_PREFIX "cli." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES LABELS cli TIMEOUT 900)
