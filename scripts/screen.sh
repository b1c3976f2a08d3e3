# Sourced by test.sh: finds a screen for the tests of the interface.
# `install_libraries` installs what Qt and a virtual screen need, on Debian and Ubuntu, where
# no password is asked for. `find_screen` then sets `screen_options` of pytest and, if these
# tests cannot run or only in part, says in one sentence why and what to do.
libraries="libdbus-1-3 libegl1 libfontconfig1 libgl1 libgl1-mesa-dri libglib2.0-0 libopengl0
 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
 libxcb-shape0 libxcb-xfixes0 libxcb-xinerama0 libxkbcommon-x11-0 xauth xvfb"

missing_libraries() {
  local package
  for package in $libraries; do
    # libglib2.0-0 is libglib2.0-0t64 from Debian 13 and Ubuntu 24.04 on
    [[ $(dpkg-query -Wf '${Status}\n' "$package" "${package}t64" 2>/dev/null) == *"ok installed"* ]] ||
      echo "$package"
  done
}

install_libraries() {
  command -v apt-get dpkg-query >/dev/null || return 0
  local missing=() sudo=()
  mapfile -t missing < <(missing_libraries)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || return 0
    sudo=(sudo -n)
  fi
  echo "Installing what Qt needs: ${missing[*]}"
  "${sudo[@]}" apt-get update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    echo "apt-get could not install them" >&2
}

# Whether Qt starts; where libraries are missing it aborts, in a process of its own
qt_starts() {
  ("$@" "$venv/bin/python" -c 'from qtpy.QtWidgets import QApplication; QApplication([])') \
    >/dev/null 2>&1
}

find_screen() {
  screen_options=()
  [ "$(uname)" = Linux ] || return 0
  if command -v Xvfb xvfb-run >/dev/null && qt_starts env -u WAYLAND_DISPLAY QT_QPA_PLATFORM=xcb xvfb-run -a; then
    unset WAYLAND_DISPLAY # pytest-xvfb starts a screen for each process
    export QT_QPA_PLATFORM=xcb
    return 0
  fi
  local missing what
  missing=$(command -v dpkg-query >/dev/null && missing_libraries | xargs)
  if qt_starts env QT_QPA_PLATFORM=offscreen; then
    export QT_QPA_PLATFORM=offscreen
    what="Tests that draw in napari's canvas are skipped"
  else
    screen_options=(-p no:napari -p no:pytest-qt)
    what="Tests of the interface are left out"
  fi
  echo "$what: Qt lacks libraries or a virtual screen. To run them:" \
    "sudo apt-get install ${missing:-$libraries}" | xargs >&2
}
