# The server: HTTP over Boost.Beast, one translator a dialect, and the pages.
find_package(Boost 1.81 REQUIRED)
find_package(prometheus-cpp REQUIRED CONFIG)
glassbox_floor(server USES glassbox_engine glassbox_hub glassbox_web Boost::headers prometheus-cpp::core)
target_compile_definitions(glassbox_server PRIVATE GLASSBOX_VERSION="${PROJECT_VERSION}")

target_link_libraries(test_server PRIVATE ZLIB::ZLIB)  # to read git's packs

# OpenAI's own client against the program itself. Skipped (77) where that client is not installed.
add_test(NAME conformance.openai_client
  COMMAND sh -c "python=build/venv/bin/python; [ -x $python ] || python=python3; exec $python tests/clients/openai_client_test.py $<TARGET_FILE:glassbox>"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(conformance.openai_client PROPERTIES LABELS conformance SKIP_RETURN_CODE 77 TIMEOUT 900)

# Load, and what strangers may send: requests and files that mean harm. Python's standard library is enough.
foreach(test load hostile_requests hostile_files)
  add_test(NAME conformance.${test}
    COMMAND python3 tests/clients/${test}_test.py $<TARGET_FILE:glassbox> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # The time that /health takes is part of what is tested.
  set_tests_properties(conformance.${test} PROPERTIES LABELS conformance RUN_SERIAL TRUE TIMEOUT 900)
endforeach()
