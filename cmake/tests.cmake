# Programs that tests and people run from the shell.
add_executable(stories260k_dir ${CMAKE_SOURCE_DIR}/tests/stories260k_dir.cc)
target_link_libraries(stories260k_dir PRIVATE glassbox_formats glassbox_testing GTest::gtest)
