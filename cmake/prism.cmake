# The model we ship: its world as a library (the trainer streams documents from it), and the program that writes its
# training text, makes its evaluation prompts and judges answers.
file(GLOB prism_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/models/prism/*.cc)
set(prism_tests ${prism_sources})
list(FILTER prism_sources EXCLUDE REGEX "(_test|/main)\\.cc$")
list(FILTER prism_tests INCLUDE REGEX "_test\\.cc$")

add_library(prism_world STATIC ${prism_sources})
target_include_directories(prism_world PUBLIC ${CMAKE_SOURCE_DIR}/models)
glassbox_unity(prism_world)
target_link_libraries(prism_world PUBLIC glassbox_base)

add_executable(prism_data ${CMAKE_SOURCE_DIR}/models/prism/main.cc)
target_link_libraries(prism_data PRIVATE prism_world CLI11::CLI11)

add_executable(test_prism ${prism_tests})
glassbox_unity(test_prism)
target_link_libraries(test_prism PRIVATE prism_world glassbox_chat glassbox_testing GTest::gtest_main GTest::gmock)
gtest_discover_tests(test_prism TEST_PREFIX "prism." DISCOVERY_TIMEOUT 60
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES LABELS prism TIMEOUT 600)
