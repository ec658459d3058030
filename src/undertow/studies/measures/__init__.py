"""What studies measure: functions of a cell, of a module's top level so that they pickle."""
