"""The commands, one module each: functions whose arguments tyro turns into options."""
