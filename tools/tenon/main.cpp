#include <cstdio>
#include <exception>

#include "base/build_identity.h"
#include "tenon/command.h"

int main(int argc, char** argv) {
  CLI::App app("Tenon: builds, runs and explains inference engines", "tenon");
  app.set_version_flag("--version", tenon::cat("tenon ", tenon::build_identity()));
  app.require_subcommand(1);
  for (auto add :
       {tenon::cli::add_dump, tenon::cli::add_opt, tenon::cli::add_build, tenon::cli::add_run, tenon::cli::add_bench,
        tenon::cli::add_compare, tenon::cli::add_inspect, tenon::cli::add_python_path})
    add(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const tenon::Error& e) {
    std::fprintf(stderr, "tenon: %s: %s\n", std::string(name(e.code())).c_str(), e.what());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tenon: %s\n", e.what());
  }
  return 1;
}
