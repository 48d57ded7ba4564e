echo "migrated as $(id -un)"
